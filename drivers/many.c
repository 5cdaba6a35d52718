// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
/*
 * Does nothing and is much to look at: as many symbols and parameters as a driver has. A test loads
 * copies of it whose name is another one of the same length, for a machine with many modules.
 */
#include <linux/init.h>
#include <linux/module.h>

#define TEN(F, n) F(n##0) F(n##1) F(n##2) F(n##3) F(n##4) F(n##5) F(n##6) F(n##7) F(n##8) F(n##9)

#define FUNCTION(n)                                                                                \
	static int __used noinline many_function_##n(int x)                                        \
	{                                                                                          \
		return x + 1##n;                                                                   \
	}

#define PARAMETER(n)                                                                               \
	static int many_parameter_##n = 1##n;                                                      \
	module_param(many_parameter_##n, int, 0444);                                               \
	MODULE_PARM_DESC(many_parameter_##n, "A number that nobody reads");

TEN(FUNCTION, 0)
TEN(FUNCTION, 1)
TEN(FUNCTION, 2)
TEN(FUNCTION, 3)
TEN(FUNCTION, 4)
TEN(FUNCTION, 5)
TEN(FUNCTION, 6)
TEN(FUNCTION, 7)
TEN(FUNCTION, 8)
TEN(FUNCTION, 9)
TEN(PARAMETER, 0)

static int __init many_init(void)
{
	return 0;
}
module_init(many_init);

static void __exit many_exit(void)
{
}
module_exit(many_exit);

MODULE_LICENSE("Dual BSD/GPL");
MODULE_DESCRIPTION("One of many modules");
