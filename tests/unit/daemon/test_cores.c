// SPDX-License-Identifier: ISC
/* Which thread gets which processor. */
#include <criterion/criterion.h>
#include <pthread.h>
#include <string.h>

#include "cores.h"

static cpu_set_t set_of(const int *core, unsigned n)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	for (unsigned i = 0; i < n; i++)
		CPU_SET(core[i], &set);
	return set;
}

static struct cores plan_of(const int *core, unsigned n, unsigned busy, unsigned spare)
{
	const cpu_set_t set = set_of(core, n);
	struct cores cores;

	cores_plan(&cores, &set, busy, spare, true);
	return cores;
}

Test(cores, two_processors_pin_nothing)
{
	struct cores cores = plan_of((const int[]){0, 1}, 2, 2, 1);
	char text[128];

	cr_assert_eq(cores_of(&cores, 0), -1);
	cr_assert_eq(cores_of(&cores, 1), -1);
	cr_assert_str_eq(cores_describe(&cores, text, sizeof(text)),
			 "threads not pinned: 2 busy ones and 1 processor for the rest ask "
			 "for 3 processors, here are 2");
}

Test(cores, as_many_as_needed_are_the_last_ones)
{
	struct cores cores = plan_of((const int[]){0, 1, 2}, 3, 2, 1);
	char text[128];

	cr_assert_eq(cores_of(&cores, 0), 1);
	cr_assert_eq(cores_of(&cores, 1), 2);
	cr_assert_eq(cores_of(&cores, 2), -1, "no such slot");
	cr_assert_str_eq(cores_describe(&cores, text, sizeof(text)),
			 "2 busy threads have processors 1, 2");
}

Test(cores, only_processors_that_are_allowed)
{
	struct cores cores = plan_of((const int[]){3, 8, 130, 131, 700}, 5, 3, 2);

	cr_assert_eq(cores_of(&cores, 0), 130);
	cr_assert_eq(cores_of(&cores, 1), 131);
	cr_assert_eq(cores_of(&cores, 2), 700);
}

/* Whatever the numbers: no processor twice, none that is not allowed, the spares left. */
Test(cores, no_processor_is_given_twice)
{
	for (unsigned n = 0; n <= 24; n++) {
		int core[24];

		for (unsigned i = 0; i < n; i++)
			core[i] = (int)(i * 3 + 1);
		for (unsigned busy = 1; busy <= 10; busy++) {
			for (unsigned spare = 1; spare <= 2; spare++) {
				struct cores cores = plan_of(core, n, busy, spare);
				int last = -1;

				for (unsigned i = 0; i < busy; i++) {
					const int got = cores_of(&cores, i);

					cr_assert_eq(got >= 0, n >= busy + spare);
					if (got < 0)
						continue;
					cr_assert_gt(got, last);
					cr_assert(CPU_ISSET(got, &cores.allowed));
					cr_assert_geq(got, core[spare], "a spare is taken");
					last = got;
				}
			}
		}
	}
}

Test(cores, none_pins_nothing)
{
	const cpu_set_t set = set_of((const int[]){0, 1, 2, 3, 4, 5}, 6);
	struct cores cores;
	char text[64];

	cores_plan(&cores, &set, 2, 1, false);
	cr_assert_eq(cores_of(&cores, 0), -1);
	cr_assert_str_eq(cores_describe(&cores, text, sizeof(text)),
			 "threads not pinned: `cores = none`");
}

static int pinned_to(void)
{
	cpu_set_t set;

	cr_assert_eq(sched_getaffinity(0, sizeof(set), &set), 0);
	for (int i = 0; CPU_COUNT(&set) == 1 && i < CPU_SETSIZE; i++)
		if (CPU_ISSET(i, &set))
			return i;
	return -1;
}

/* The kernel is asked: on the processors that there are, one thread of one slot. */
Test(cores, a_thread_runs_where_its_slot_says)
{
	struct cores cores;
	int core;

	cores_plan_here(&cores, 1, 0, true);
	core = cores_pin(&cores, 0);
	cr_assert_geq(core, 0);
	cr_assert_eq(core, cores_of(&cores, 0));
	cr_assert_eq(pinned_to(), core);
}

Test(cores, a_long_list_is_cut)
{
	struct cores cores = plan_of((const int[]){0, 10, 11, 12, 13, 14}, 6, 5, 1);
	char text[40];

	cr_assert_lt(strlen(cores_describe(&cores, text, sizeof(text))), sizeof(text));
}
