/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/* A machine that does not exist, as a source: its context is a struct machine. */
#ifndef PINLEAK_SIM_SIMULATOR_H
#define PINLEAK_SIM_SIMULATOR_H

#include "../core/source.h"
#include "machine.h"

/* Shows the machine as it is; whoever drives it lets the time pass, by machine_pass(). */
extern const struct source simulator_source;

#endif
