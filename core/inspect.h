/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/* All that is told of a driver: what it says, how it is set, what bounds it, what it holds. */
#ifndef PINLEAK_CORE_INSPECT_H
#define PINLEAK_CORE_INSPECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "census.h"
#include "kmsg.h"
#include "modgraph.h"
#include "modinfo.h"
#include "signature.h"

#define INSPECT_NAME	  64
#define INSPECT_VALUE	  4096 /* bytes of a parameter's value: sysfs shows a page at most */
#define INSPECT_UNKNOWN	  UINT64_MAX
#define INSPECT_UNLIMITED (UINT64_MAX - 1)

enum inspect_kind {
	INSPECT_MODULE,	  /* a module; is it loaded? */
	INSPECT_BUILT_IN, /* in the kernel itself */
};

/* What could not be seen, and why. */
struct inspect_gap {
	const char *part; /* "log", "parameters", ... */
	char why[256];
};

/* Whose file it is, by the machine's package manager; "" for what it does not say. */
struct inspect_package {
	const char *manager; /* "dpkg", "rpm", "pacman"; NULL: there is none */
	char name[96];	     /* that owns the file; "": none does */
	char installed[64];
	char available[64]; /* by the lists that are there already: nothing is fetched */
	bool unowned;	    /* the manager has answered that no package owns it */
};

struct inspect_identity {
	enum inspect_kind kind;
	bool loaded;
	char version[64], srcversion[64]; /* of what is loaded; of the file if it is not */
	char taint[16];			  /* letters of the loaded module */
	char file[256];			  /* the module's; "": not known */
	bool file_read;			  /* then info and signature are known */
	bool file_differs;		  /* it has another srcversion than what is loaded */
	struct modinfo info;
	struct signature signature;
	bool tree_known, intree;
	bool dkms;
	struct inspect_package package;
	struct inspect_package kernel; /* the package that brings new kernels; in tree only */
	char running[64];	       /* version of the running kernel's package, by uname -v */
};

enum inspect_default { DEFAULT_UNKNOWN, DEFAULT_OF_FILE, DEFAULT_OF_TEXT };

struct inspect_param {
	char name[96];
	char type[32];		   /* "" when unknown */
	char text[1024];	   /* "" when unknown */
	char value[INSPECT_VALUE]; /* as sysfs shows it */
	bool value_known;
	bool declared; /* the file says that there is such a parameter */
	enum inspect_default source;
	char initial[INSPECT_VALUE]; /* the default, unless source is DEFAULT_UNKNOWN */
	bool differs;		     /* value and default are known and not the same */
	char fault[192];	     /* what is wrong with the value; "" */
};

enum inspect_origin { SET_BY_COMMAND_LINE, SET_BY_MODPROBE };

/* What somebody set for the module. */
struct inspect_setting {
	enum inspect_origin origin;
	char name[96];
	char value[256];
	bool has_value;
	bool unknown;	 /* the module has no such parameter */
	char fault[192]; /* what is wrong with the value; "" */
};

struct inspect_device {
	char name[INSPECT_NAME]; /* "0000:00:03.0", "leaky" */
	char path[256];		 /* below /sys, without it: "/devices/..." */
	char driver[INSPECT_NAME];
	char bus[32];
	bool guess;	     /* nothing but its name says that it is the driver's */
	char group[16];	     /* IOMMU group; "": none */
	char group_type[32]; /* "DMA-FQ", "identity"; "" */
	int64_t dma_mask_bits, consistent_dma_mask_bits; /* -1: not told */
	int64_t numa_node;				 /* -1: none, or not told */
	char power[32];		    /* runtime_status: "active", "suspended"; "" */
	char state[32];		    /* of PCI: "D0"; "" */
	uint32_t rdev[2];	    /* kernel's dev_t of a char and of a block node; 0: none */
	char node[2][INSPECT_NAME]; /* without /dev/; "" */
};

/* Another driver that has to do with a device. */
struct inspect_neighbour {
	size_t device;	      /* place in devices */
	const char *relation; /* "above", "below", "same group" */
	char name[INSPECT_NAME];
	char driver[INSPECT_NAME];
};

/* A process that has a node of the driver open. */
struct inspect_process {
	uint32_t pid;
	uint32_t files; /* descriptors */
	char comm[16];
	char node[INSPECT_NAME];	     /* of the first of them, without /dev/ */
	uint64_t memlock_soft, memlock_hard; /* bytes, INSPECT_UNLIMITED, INSPECT_UNKNOWN */
	uint64_t locked, pinned; /* bytes: VmLck, VmPin, as the kernel's accounts have them */
	bool exempt;		 /* CAP_IPC_LOCK: RLIMIT_MEMLOCK does not bind it */
	char cgroup[256];
};

enum inspect_limit_kind {
	LIMITED_BY_MEMLOCK,	/* RLIMIT_MEMLOCK of a process */
	LIMITED_BY_CGROUP_MAX,	/* memory.max */
	LIMITED_BY_CGROUP_HIGH, /* memory.high */
	LIMITED_BY_DMA_ENTRIES, /* dma_entry_limit of vfio_iommu_type1, in mappings */
};

/* What is used of what is allowed. */
struct inspect_limit {
	enum inspect_limit_kind kind;
	uint32_t pid;		/* of RLIMIT_MEMLOCK */
	char where[256];	/* the process's comm, the control group's path */
	uint64_t used, allowed; /* bytes or mappings; as above */
	bool applies;
};

/* Pins that it holds now. */
struct inspect_pins {
	bool known;		   /* a census was taken */
	bool tracked;		   /* a pinleak tracks: pins have names */
	struct census_sum its;	   /* recorded as its own */
	struct census_sum perhaps; /* nobody knows whose, in processes that have its nodes open */
	struct inspect_held {
		bool its; /* else perhaps */
		char kind[16];
		char name[128]; /* an object's or a process's */
		uint32_t pid;	/* 0: an object */
		struct census_sum sum;
	} * held;
	size_t nr, room;
};

struct inspect {
	uint64_t now_ns;	   /* CLOCK_MONOTONIC */
	double seconds;		   /* that it took, without the census */
	char driver[INSPECT_NAME]; /* the module's name where there is one */
	char asked[256];	   /* for what, as it was given */
	bool guess;		   /* the node's driver is a guess by its name */
	struct inspect_identity identity;
	struct kmsg_log log;
	bool log_known;
	uint64_t log_lost; /* records that were overwritten before they could be read */
	struct inspect_param *params;
	size_t nr_params, room_params;
	struct inspect_setting *settings;
	size_t nr_settings, room_settings;
	struct inspect_device *devices;
	size_t nr_devices, room_devices;
	struct inspect_neighbour *neighbours;
	size_t nr_neighbours, room_neighbours;
	struct inspect_process *processes;
	size_t nr_processes, room_processes;
	struct inspect_limit *limits;
	size_t nr_limits, room_limits;
	struct inspect_pins pins;
	struct inspect_gap *gaps;
	size_t nr_gaps, room_gaps;
};

void inspect_free(struct inspect *i);

/* Notes what could not be seen. part is a string constant; without memory the note is lost. */
void inspect_gap(struct inspect *i, const char *part, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Fills defaults, differences and faults of parameters and settings from what was read. */
void inspect_judge(struct inspect *i);

/* The limit with the least room left; NULL: none is known to bind. */
const struct inspect_limit *inspect_first_limit(const struct inspect *i);

const char *inspect_limit_name(enum inspect_limit_kind k);
const char *inspect_origin_name(enum inspect_origin o);

/* VmLck, VmPin (bytes) and whether CapEff has CAP_IPC_LOCK, of the text of /proc/PID/status. */
void inspect_status(const char *text, struct inspect_process *out);

/* RLIMIT_MEMLOCK of the text of /proc/PID/limits. */
void inspect_limits(const char *text, struct inspect_process *out);

/* The version of Debian's package in uname -v: "#1 SMP ... Debian 6.1.1-1 (date)"; "" if none. */
void inspect_running(const char *version, char *out, size_t size);

/* The value after a label on a line of its own, as apt-cache and others print; "" if none. */
void inspect_labelled(const char *text, const char *label, char *out, size_t size);

#endif
