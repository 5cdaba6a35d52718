// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
/*
 * The same driver as leaky.c under the name "second", for tests in which two
 * drivers pin one buffer.
 */
#include "leaky.c"
