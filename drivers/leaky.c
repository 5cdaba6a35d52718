// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
/*
 * A driver that pins user pages rightly and wrongly, to order.
 *
 * It drives no hardware. Each ioctl of its device plays one way in which
 * drivers treat the pages they pin; the wrong ones leave pins behind for good.
 * The parameters under /sys/module count what was done, so that a test can
 * compare a tool's findings with the truth.
 *
 * second.c builds the same driver under another name: what must differ is
 * taken from KBUILD_MODNAME.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/atomic.h>
#include <linux/delay.h>
#include <linux/fs.h>
#include <linux/jiffies.h>
#include <linux/list.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/mutex.h>
#include <linux/nospec.h>
#include <linux/ratelimit.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/version.h>
#include <linux/workqueue.h>

#include "leaky_ioctl.h"

/* Pages asked for in one call, as drivers with a bounded page array do. */
#define LEAKY_CHUNK 512UL

#define LEAKY_LONGTERM (FOLL_WRITE | FOLL_LONGTERM)

/* What the close of the file does with a registered set of pages. */
enum leaky_fate {
	LEAKY_FATE_RELEASE,
	LEAKY_FATE_DEFER,
	LEAKY_FATE_FORGET,
};

/* Pages pinned by one ioctl. */
struct leaky_set {
	struct list_head node;
	enum leaky_fate fate;
	unsigned long delay;		/* jiffies from close to release */
	unsigned int close_ms;		/* the close waits for so long before it */
	unsigned long due;		/* the jiffy of a deferred release */
	unsigned long nr;		/* pins in pages[] */
	struct page *pages[];
};

struct leaky_file {
	struct mutex lock;		/* guards sets */
	struct list_head sets;
};

/* A pin to be made by the workqueue. */
struct leaky_job {
	struct work_struct work;
	struct mm_struct *mm;
	unsigned long addr;
	unsigned long pages;
	struct leaky_set *set;
	int err;
};

static unsigned int async_delay_ms = 1000;
module_param(async_delay_ms, uint, 0644);
MODULE_PARM_DESC(async_delay_ms,
		 "Milliseconds from close to release for the async shape (default 1000)");

static unsigned int keep_pages = 1;
module_param(keep_pages, uint, 0644);
MODULE_PARM_DESC(keep_pages,
		 "Pages that the keep-one and put-page shapes leak in each call (default 1)");

static unsigned long max_pages = 1UL << 20;
module_param(max_pages, ulong, 0644);
MODULE_PARM_DESC(max_pages, "Most pages that one call may pin (default 1048576)");

static bool noisy;
module_param(noisy, bool, 0644);
MODULE_PARM_DESC(noisy, "Say something in the kernel's log at each open (default no)");

static int verbosity = 1;
module_param(verbosity, int, 0644);
MODULE_PARM_DESC(verbosity, "How much to say when noisy (0-3)");

static unsigned int burst = 20;
module_param(burst, uint, 0444);
MODULE_PARM_DESC(burst, "Lines that the rate limit is tried with, range 1 to 64");

static char *label = "quiet";
module_param(label, charp, 0444);
MODULE_PARM_DESC(label, "What to say when noisy");

static atomic_long_t leaky_pinned = ATOMIC_LONG_INIT(0);
static atomic_long_t leaky_released = ATOMIC_LONG_INIT(0);
static atomic_long_t leaky_leaked = ATOMIC_LONG_INIT(0);
static atomic_long_t leaky_held = ATOMIC_LONG_INIT(0);
static atomic_long_t leaky_leaked_refs = ATOMIC_LONG_INIT(0);
static atomic_long_t leaky_wrong_releases = ATOMIC_LONG_INIT(0);

static int leaky_counter_get(char *buffer, const struct kernel_param *kp)
{
	return sysfs_emit(buffer, "%ld\n", atomic_long_read(kp->arg));
}

/* insmod calls set for leaked=1 without asking whether there is one. */
static int leaky_counter_set(const char *val, const struct kernel_param *kp)
{
	return -EPERM;
}

static const struct kernel_param_ops leaky_counter_ops = {
	.set = leaky_counter_set,
	.get = leaky_counter_get,
};

module_param_cb(pinned_total, &leaky_counter_ops, &leaky_pinned, 0444);
MODULE_PARM_DESC(pinned_total, "Pins made so far (read only)");
module_param_cb(released_total, &leaky_counter_ops, &leaky_released, 0444);
MODULE_PARM_DESC(released_total, "Pins released so far (read only)");
module_param_cb(leaked, &leaky_counter_ops, &leaky_leaked, 0444);
MODULE_PARM_DESC(leaked, "Pins that nothing will ever release (read only)");
module_param_cb(held, &leaky_counter_ops, &leaky_held, 0444);
MODULE_PARM_DESC(held, "Pins that will still be released (read only)");
module_param_cb(leaked_refs, &leaky_counter_ops, &leaky_leaked_refs, 0444);
MODULE_PARM_DESC(leaked_refs,
		 "Plain page references that nothing will ever drop (read only)");
module_param_cb(wrong_releases, &leaky_counter_ops, &leaky_wrong_releases, 0444);
MODULE_PARM_DESC(wrong_releases,
		 "Pins released by put_page, and releases of pins not there (read only)");

static struct workqueue_struct *leaky_wq;

/* Guards the two lists below. */
static DEFINE_MUTEX(leaky_lock);
/* Sets of closed files that wait for their deferred release. */
static LIST_HEAD(leaky_deferred);
/* Sets of the rmmod shape; their pins are counted as leaked already. */
static LIST_HEAD(leaky_kept);

static void leaky_count_pins(struct leaky_set *set, unsigned long nr)
{
	set->nr += nr;
	atomic_long_add(nr, &leaky_pinned);
	atomic_long_add(nr, &leaky_held);
}

/* Forget the last nr pins of a set. */
static void leaky_leak(struct leaky_set *set, unsigned long nr)
{
	if (!nr)
		return;
	set->nr -= nr;
	atomic_long_add(nr, &leaky_leaked);
	atomic_long_sub(nr, &leaky_held);
	pr_warn_once("pins are being leaked, as ordered; only a reboot frees the pages\n");
}

static void leaky_unpin(struct leaky_set *set)
{
	unpin_user_pages(set->pages, set->nr);
	atomic_long_add(set->nr, &leaky_released);
	atomic_long_sub(set->nr, &leaky_held);
	set->nr = 0;
}

static void leaky_release_set(struct leaky_set *set)
{
	leaky_unpin(set);
	kvfree(set);
}

static struct leaky_set *leaky_alloc_set(const struct leaky_req *req)
{
	struct leaky_set *set;

	if (!req->pages || req->pages > max_pages || !PAGE_ALIGNED(req->addr))
		return ERR_PTR(-EINVAL);
	set = kvzalloc(struct_size(set, pages, req->pages), GFP_KERNEL);
	return set ? set : ERR_PTR(-ENOMEM);
}

/* On failure the set keeps the pages that were pinned before it. */
static int leaky_pin(struct leaky_set *set, unsigned long addr,
		     unsigned long pages, unsigned int flags)
{
	while (set->nr < pages) {
		int want = min(pages - set->nr, LEAKY_CHUNK);
		int got = pin_user_pages_fast(addr + set->nr * PAGE_SIZE, want,
					      flags, set->pages + set->nr);

		if (got < 0)
			return got;
		leaky_count_pins(set, got);
		if (got < want)
			return -EFAULT;
	}
	return 0;
}

/*
 * The caller holds the mmap lock. Without a "locked" pointer the kernel keeps
 * it held, and Linux 6.1 takes FOLL_LONGTERM in no other way. Linux 6.5
 * dropped the vmas argument.
 */
static long leaky_pin_chunk_remote(struct mm_struct *mm, unsigned long addr,
				   unsigned long nr, struct page **pages)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 5, 0)
	return pin_user_pages_remote(mm, addr, nr, LEAKY_LONGTERM, pages, NULL);
#else
	return pin_user_pages_remote(mm, addr, nr, LEAKY_LONGTERM, pages, NULL,
				     NULL);
#endif
}

static int leaky_pin_remote(struct leaky_job *job)
{
	struct leaky_set *set = job->set;

	while (set->nr < job->pages) {
		long want = min(job->pages - set->nr, LEAKY_CHUNK);
		long got = leaky_pin_chunk_remote(job->mm,
						  job->addr + set->nr * PAGE_SIZE,
						  want, set->pages + set->nr);

		if (got < 0)
			return got;
		leaky_count_pins(set, got);
		if (got < want)
			return -EFAULT;
	}
	return 0;
}

/* Pin all pages of a request, or none. */
static struct leaky_set *leaky_pin_req(const struct leaky_req *req,
				       unsigned int flags)
{
	struct leaky_set *set = leaky_alloc_set(req);
	int err;

	if (IS_ERR(set))
		return set;
	err = leaky_pin(set, req->addr, req->pages, flags);
	if (err) {
		leaky_release_set(set);
		return ERR_PTR(err);
	}
	return set;
}

static long leaky_register(struct leaky_file *lf, const struct leaky_req *req,
			   enum leaky_fate fate, unsigned long delay,
			   unsigned int close_ms)
{
	struct leaky_set *set = leaky_pin_req(req, LEAKY_LONGTERM);

	if (IS_ERR(set))
		return PTR_ERR(set);
	set->fate = fate;
	set->delay = delay;
	set->close_ms = close_ms;
	mutex_lock(&lf->lock);
	list_add_tail(&set->node, &lf->sets);
	mutex_unlock(&lf->lock);
	return 0;
}

/* Release what is due; come back when the next set is. */
static void leaky_reap(struct work_struct *work)
{
	struct leaky_set *set, *next;
	unsigned long now, wait = MAX_JIFFY_OFFSET;

	mutex_lock(&leaky_lock);
	now = jiffies;
	list_for_each_entry_safe(set, next, &leaky_deferred, node) {
		if (time_before(now, set->due)) {
			wait = min(wait, set->due - now);
			continue;
		}
		list_del(&set->node);
		leaky_release_set(set);
	}
	if (!list_empty(&leaky_deferred))
		mod_delayed_work(leaky_wq, to_delayed_work(work), wait);
	mutex_unlock(&leaky_lock);
}

static DECLARE_DELAYED_WORK(leaky_reaper, leaky_reap);

static void leaky_defer(struct leaky_set *set)
{
	mutex_lock(&leaky_lock);
	set->due = jiffies + set->delay;
	list_add_tail(&set->node, &leaky_deferred);
	mod_delayed_work(leaky_wq, &leaky_reaper, 0);
	mutex_unlock(&leaky_lock);
}

static void leaky_close_set(struct leaky_set *set)
{
	switch (set->fate) {
	case LEAKY_FATE_RELEASE:
		if (set->close_ms)
			msleep(set->close_ms);
		leaky_release_set(set);
		break;
	case LEAKY_FATE_DEFER:
		leaky_defer(set);
		break;
	case LEAKY_FATE_FORGET:
		leaky_leak(set, set->nr);
		kvfree(set);
		break;
	}
}

/* Transient I/O: the pins do not outlive the call. */
static long leaky_use(struct leaky_file *lf, const struct leaky_req *req)
{
	struct leaky_set *set = leaky_pin_req(req, FOLL_WRITE);

	if (IS_ERR(set))
		return PTR_ERR(set);
	leaky_release_set(set);
	return 0;
}

/* A registered buffer, released by a close that may take its time. */
static long leaky_hold(struct leaky_file *lf, const struct leaky_req *req)
{
	if (req->arg > UINT_MAX)
		return -EINVAL;
	return leaky_register(lf, req, LEAKY_FATE_RELEASE, 0, req->arg);
}

/* A registered buffer, released some time after close. */
static long leaky_async(struct leaky_file *lf, const struct leaky_req *req)
{
	u64 ms = req->arg ? req->arg : async_delay_ms;

	if (ms > UINT_MAX)
		return -EINVAL;
	return leaky_register(lf, req, LEAKY_FATE_DEFER, msecs_to_jiffies(ms), 0);
}

/* Release everything that this file registered. */
static long leaky_unregister(struct leaky_file *lf, const struct leaky_req *req)
{
	struct leaky_set *set, *next;
	LIST_HEAD(sets);

	mutex_lock(&lf->lock);
	list_splice_init(&lf->sets, &sets);
	mutex_unlock(&lf->lock);
	if (list_empty(&sets))
		return -ENOENT;
	list_for_each_entry_safe(set, next, &sets, node)
		leaky_release_set(set);
	return 0;
}

/* Off by one: the loop that unpins stops too early. */
static long leaky_keep_one(struct leaky_file *lf, const struct leaky_req *req)
{
	struct leaky_set *set = leaky_pin_req(req, LEAKY_LONGTERM);

	if (IS_ERR(set))
		return PTR_ERR(set);
	leaky_leak(set, min_t(u64, req->arg ? req->arg : keep_pages, set->nr));
	leaky_release_set(set);
	return 0;
}

/* A later step fails and the error path forgets the pins. */
static long leaky_error(struct leaky_file *lf, const struct leaky_req *req)
{
	struct leaky_set *set = leaky_pin_req(req, LEAKY_LONGTERM);

	if (IS_ERR(set))
		return PTR_ERR(set);
	leaky_leak(set, min_t(u64, req->arg ? req->arg : set->nr, set->nr));
	leaky_release_set(set);
	return -EIO;
}

/* Fewer pages than asked for: an error, so the pages got are forgotten. */
static long leaky_partial(struct leaky_file *lf, const struct leaky_req *req)
{
	struct leaky_set *set = leaky_alloc_set(req);
	int err;

	if (IS_ERR(set))
		return PTR_ERR(set);
	err = leaky_pin(set, req->addr, req->pages, LEAKY_LONGTERM);
	if (err)
		leaky_leak(set, set->nr);
	leaky_release_set(set);
	return err;
}

/* A registered buffer that close forgets; only unregister releases it. */
static long leaky_close(struct leaky_file *lf, const struct leaky_req *req)
{
	return leaky_register(lf, req, LEAKY_FATE_FORGET, 0, 0);
}

static void leaky_run_job(struct work_struct *work)
{
	struct leaky_job *job = container_of(work, struct leaky_job, work);

	if (!mmget_not_zero(job->mm)) {
		job->err = -ESRCH;
		return;
	}
	mmap_read_lock(job->mm);
	job->err = leaky_pin_remote(job);
	mmap_read_unlock(job->mm);
	mmput(job->mm);
}

/* Pinned by a kernel thread on the caller's behalf, and never released. */
static long leaky_work(struct leaky_file *lf, const struct leaky_req *req)
{
	struct leaky_job job = {
		.mm = current->mm,
		.addr = req->addr,
		.pages = req->pages,
		.set = leaky_alloc_set(req),
	};

	if (IS_ERR(job.set))
		return PTR_ERR(job.set);
	mmgrab(job.mm);
	INIT_WORK_ONSTACK(&job.work, leaky_run_job);
	queue_work(leaky_wq, &job.work);
	flush_work(&job.work);
	destroy_work_on_stack(&job.work);
	mmdrop(job.mm);
	if (!job.err)
		leaky_leak(job.set, job.set->nr);
	leaky_release_set(job.set);
	return job.err;
}

/* Known to the module until it is unloaded, and not released then. */
static long leaky_rmmod(struct leaky_file *lf, const struct leaky_req *req)
{
	struct leaky_set *set = leaky_pin_req(req, LEAKY_LONGTERM);

	if (IS_ERR(set))
		return PTR_ERR(set);
	leaky_leak(set, set->nr);
	mutex_lock(&leaky_lock);
	list_add_tail(&set->node, &leaky_kept);
	mutex_unlock(&leaky_lock);
	return 0;
}

/* The wrong release: put_page() on pinned pages leaves the pins in place. */
static long leaky_put_page(struct leaky_file *lf, const struct leaky_req *req)
{
	struct leaky_set *set = leaky_pin_req(req, LEAKY_LONGTERM);
	unsigned long i, wrong;

	if (IS_ERR(set))
		return PTR_ERR(set);
	wrong = min_t(u64, req->arg ? req->arg : keep_pages, set->nr);
	for (i = set->nr - wrong; i < set->nr; i++)
		put_page(set->pages[i]);
	atomic_long_add(wrong, &leaky_wrong_releases);
	leaky_leak(set, wrong);
	leaky_release_set(set);
	return 0;
}

/*
 * Unpins a page that has no pin. A small page's count goes below zero and the
 * page is never freed. A huge page would be freed under its users: the
 * reference that goes with the pin is made up for.
 */
static void leaky_unpin_wrongly(struct page *page)
{
	if (PageCompound(page))
		get_page(page);
	unpin_user_page(page);
	atomic_long_inc(&leaky_wrong_releases);
}

/* The last ARG pages of a set are unpinned twice. */
static long leaky_double_unpin(struct leaky_file *lf,
			       const struct leaky_req *req)
{
	struct leaky_set *set = leaky_pin_req(req, LEAKY_LONGTERM);
	unsigned long i, nr;

	if (IS_ERR(set))
		return PTR_ERR(set);
	nr = set->nr;
	leaky_unpin(set);
	for (i = nr - min_t(u64, req->arg ? req->arg : 1, nr); i < nr; i++)
		leaky_unpin_wrongly(set->pages[i]);
	kvfree(set);
	return 0;
}

/*
 * The caller gets the set's pages with a plain reference each; nr of them.
 * Pages are looked up so in order to be released wrongly.
 */
static struct leaky_set *leaky_get_req(const struct leaky_req *req, long *nr)
{
	struct leaky_set *set = leaky_alloc_set(req);

	if (IS_ERR(set))
		return set;
	*nr = get_user_pages_fast(req->addr, req->pages, FOLL_WRITE, set->pages);
	if (*nr >= 0)
		return set;
	kvfree(set);
	return ERR_PTR(*nr);
}

/* Transient I/O of those who do not pin. */
static long leaky_get_use(struct leaky_file *lf, const struct leaky_req *req)
{
	long nr, i;
	struct leaky_set *set = leaky_get_req(req, &nr);

	if (IS_ERR(set))
		return PTR_ERR(set);
	for (i = 0; i < nr; i++)
		put_page(set->pages[i]);
	kvfree(set);
	return 0;
}

/* The same; a later step fails, and the error path drops the references as it should. */
static long leaky_get_fail(struct leaky_file *lf, const struct leaky_req *req)
{
	long err = leaky_get_use(lf, req);

	return err ? err : -EIO;
}

/* Taken with get_user_pages, released as if pinned: ARG of them, the rest rightly. */
static long leaky_unpin_get(struct leaky_file *lf, const struct leaky_req *req)
{
	long nr, i, wrong;
	struct leaky_set *set = leaky_get_req(req, &nr);

	if (IS_ERR(set))
		return PTR_ERR(set);
	wrong = min_t(u64, req->arg ? req->arg : nr, nr);
	for (i = 0; i < nr; i++) {
		if (i < wrong)
			leaky_unpin_wrongly(set->pages[i]);
		else
			put_page(set->pages[i]);
	}
	kvfree(set);
	return 0;
}

/* Pages that this driver does not even have a reference of: ARG of them. */
static long leaky_unpin_never(struct leaky_file *lf,
			      const struct leaky_req *req)
{
	long nr, i, wrong;
	struct leaky_set *set = leaky_get_req(req, &nr);

	if (IS_ERR(set))
		return PTR_ERR(set);
	wrong = min_t(u64, req->arg ? req->arg : nr, nr);
	for (i = 0; i < nr; i++)
		put_page(set->pages[i]);
	for (i = 0; i < wrong; i++)
		leaky_unpin_wrongly(set->pages[i]);
	kvfree(set);
	return 0;
}

/*
 * Off by one page: all but the last page are pinned, all but the first one
 * unpinned. Within a huge page that is the same.
 */
static long leaky_subpage(struct leaky_file *lf, const struct leaky_req *req)
{
	long nr, i;
	struct leaky_set *set = leaky_get_req(req, &nr);
	struct page *last;
	int err;

	if (IS_ERR(set))
		return PTR_ERR(set);
	for (i = 0; i < nr; i++)
		put_page(set->pages[i]);
	last = set->pages[nr - 1];
	err = leaky_pin(set, req->addr, nr - 1, LEAKY_LONGTERM);
	if (err || !set->nr) {
		leaky_release_set(set);
		return err;
	}
	if (compound_head(last) != compound_head(set->pages[0])) {
		leaky_unpin_wrongly(last);
		memmove(set->pages, set->pages + 1,
			(set->nr - 1) * sizeof(*set->pages));
		leaky_leak(set, 1);
	} else {
		set->pages[0] = last;
	}
	leaky_release_set(set);
	return 0;
}

/* No pins at all: plain references that are never dropped. */
static long leaky_get_leak(struct leaky_file *lf, const struct leaky_req *req)
{
	struct leaky_set *set = leaky_alloc_set(req);
	long got, leak, i;

	if (IS_ERR(set))
		return PTR_ERR(set);
	got = get_user_pages_fast(req->addr, req->pages, FOLL_WRITE, set->pages);
	if (got >= 0) {
		leak = min_t(u64, req->arg ? req->arg : got, got);
		for (i = 0; i < got - leak; i++)
			put_page(set->pages[i]);
		atomic_long_add(leak, &leaky_leaked_refs);
	}
	kvfree(set);
	return got < 0 ? got : 0;
}

typedef long (*leaky_shape_fn)(struct leaky_file *lf,
			       const struct leaky_req *req);

static const leaky_shape_fn leaky_shapes[] = {
	[LEAKY_USE] = leaky_use,
	[LEAKY_HOLD] = leaky_hold,
	[LEAKY_ASYNC] = leaky_async,
	[LEAKY_UNREGISTER] = leaky_unregister,
	[LEAKY_GET_USE] = leaky_get_use,
	[LEAKY_GET_FAIL] = leaky_get_fail,
	[LEAKY_KEEP_ONE] = leaky_keep_one,
	[LEAKY_ERROR] = leaky_error,
	[LEAKY_PARTIAL] = leaky_partial,
	[LEAKY_CLOSE] = leaky_close,
	[LEAKY_WORK] = leaky_work,
	[LEAKY_RMMOD] = leaky_rmmod,
	[LEAKY_PUT_PAGE] = leaky_put_page,
	[LEAKY_GET_LEAK] = leaky_get_leak,
	[LEAKY_DOUBLE_UNPIN] = leaky_double_unpin,
	[LEAKY_UNPIN_GET] = leaky_unpin_get,
	[LEAKY_UNPIN_NEVER] = leaky_unpin_never,
	[LEAKY_SUBPAGE] = leaky_subpage,
};

static long leaky_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	unsigned int shape = _IOC_NR(cmd);
	struct leaky_req req;

	if (cmd != LEAKY_IOC(shape) || shape >= ARRAY_SIZE(leaky_shapes))
		return -ENOTTY;
	shape = array_index_nospec(shape, ARRAY_SIZE(leaky_shapes));
	if (copy_from_user(&req, (void __user *)arg, sizeof(req)))
		return -EFAULT;
	return leaky_shapes[shape](file->private_data, &req);
}

/*
 * Registers the whole pages that are written. If there is less than a page
 * behind them, or nothing else, all that the file has registered goes first.
 */
static ssize_t leaky_write(struct file *file, const char __user *buffer,
			   size_t size, loff_t *pos)
{
	struct leaky_req req = {
		.addr = (unsigned long)buffer,
		.pages = size >> PAGE_SHIFT,
	};
	long err = 0;

	if (size % PAGE_SIZE)
		err = leaky_unregister(file->private_data, &req);
	if (!err && req.pages)
		err = leaky_hold(file->private_data, &req);
	return err ? err : size;
}

/* The caller holds the mmap lock. Linux 6.5 dropped the vmas argument. */
static long leaky_pin_locked(struct leaky_set *set, unsigned long addr,
			     unsigned long pages)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 5, 0)
	return pin_user_pages(addr, pages, LEAKY_LONGTERM, set->pages);
#else
	return pin_user_pages(addr, pages, LEAKY_LONGTERM, set->pages, NULL);
#endif
}

/*
 * Registers memory that is there already: its address is the offset. What is
 * mapped has no pages.
 */
static int leaky_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct leaky_file *lf = file->private_data;
	struct leaky_req req = {
		.addr = vma->vm_pgoff << PAGE_SHIFT,
		.pages = vma_pages(vma),
	};
	struct leaky_set *set = leaky_alloc_set(&req);
	long got;

	if (IS_ERR(set))
		return PTR_ERR(set);
	got = leaky_pin_locked(set, req.addr, req.pages);
	if (got > 0)
		leaky_count_pins(set, got);
	if (got < 0 || got < req.pages) {
		leaky_release_set(set);
		return got < 0 ? got : -EFAULT;
	}
	mutex_lock(&lf->lock);
	list_add_tail(&set->node, &lf->sets);
	mutex_unlock(&lf->lock);
	return 0;
}

static struct miscdevice leaky_misc;

/* Lines of all kinds, for those who read a driver's log. */
static void leaky_noise(void)
{
	static DEFINE_RATELIMIT_STATE(limit, HZ, 3);
	unsigned int i;

	pr_err("an error, %s\n", label);
	dev_warn(leaky_misc.this_device, "a warning, verbosity %d\n", verbosity);
	for (i = 0; i < burst; i++)
		if (__ratelimit(&limit))
			pr_warn("again and again\n");
}

static int leaky_open(struct inode *inode, struct file *file)
{
	struct leaky_file *lf = kzalloc(sizeof(*lf), GFP_KERNEL);

	if (!lf)
		return -ENOMEM;
	if (noisy)
		leaky_noise();
	mutex_init(&lf->lock);
	INIT_LIST_HEAD(&lf->sets);
	file->private_data = lf;
	return 0;
}

static int leaky_release(struct inode *inode, struct file *file)
{
	struct leaky_file *lf = file->private_data;
	struct leaky_set *set, *next;

	list_for_each_entry_safe(set, next, &lf->sets, node)
		leaky_close_set(set);
	kfree(lf);
	return 0;
}

static const struct file_operations leaky_fops = {
	.owner = THIS_MODULE,
	.open = leaky_open,
	.release = leaky_release,
	.unlocked_ioctl = leaky_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.write = leaky_write,
	.mmap = leaky_mmap,
};

/* For root alone: RLIMIT_MEMLOCK is not looked at. */
static struct miscdevice leaky_misc = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = KBUILD_MODNAME,
	.fops = &leaky_fops,
	.mode = 0600,
};

static int __init leaky_init(void)
{
	int err;

	leaky_wq = alloc_workqueue("%s", WQ_UNBOUND, 0, KBUILD_MODNAME);
	if (!leaky_wq)
		return -ENOMEM;
	err = misc_register(&leaky_misc);
	if (err) {
		destroy_workqueue(leaky_wq);
		return err;
	}
	pr_info("loaded; /dev/%s leaks pinned pages on request\n",
		leaky_misc.name);
	return 0;
}

static void __exit leaky_exit(void)
{
	struct leaky_set *set, *next;
	long leaked = atomic_long_read(&leaky_leaked);

	misc_deregister(&leaky_misc);
	cancel_delayed_work_sync(&leaky_reaper);
	destroy_workqueue(leaky_wq);
	list_for_each_entry_safe(set, next, &leaky_deferred, node)
		leaky_release_set(set);
	list_for_each_entry_safe(set, next, &leaky_kept, node)
		kvfree(set);
	if (leaked)
		pr_warn("unloaded with %ld pins outstanding\n", leaked);
}

module_init(leaky_init);
module_exit(leaky_exit);

MODULE_AUTHOR("The pinleak authors");
MODULE_DESCRIPTION("Pins user pages rightly and wrongly, to test leak detectors");
MODULE_VERSION("1.0");
MODULE_LICENSE("Dual BSD/GPL");
