// SPDX-License-Identifier: ISC
/*
 * km-linkemu: the link between the two daemons in tests. Options, seed, list file; the
 * work is in emulator_bridge.c, the decisions are in emulator_model.c.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sysexits.h>

#include "emulator_bridge.h"
#include "emulator_list.h"
#include "emulator_model.h"
#include "emulator_out.h"
#include "emulator_parse.h"
#include "emulator_ring.h"

#define ETHERTYPE_DEFAULT 0x88b5u
#define DELAY_MS_MAX 60000u
#define LIST_BUFFER_BYTES (1u << 20)

static const char help[] =
	"Usage: km-linkemu --in IF --out IF --log FILE [OPTION]...\n"
	"       km-linkemu --predict N [--seed S] [IMPAIRMENT]...\n"
	"Forward frames from one interface to another, one way only, and damage some\n"
	"of them. Probabilities are 0.01 or 1%.\n"
	"\n"
	"Impairments of frames of our EtherType (also lines with --stdin-control):\n"
	"  --loss P           lose frames at random\n"
	"  --ge p,r,h,k       Gilbert-Elliott: p good to bad, r bad to good, chance to\n"
	"                     be delivered h in bad, k in good (0.001,0.1,0,1)\n"
	"  --burst N@X        lose N data frames from data frame X on; repeatable\n"
	"  --every N          lose each Nth data frame\n"
	"  --drop-list FILE   lose these data frames: lines of N, N-M, or of a list\n"
	"  --drop-if SEL      lose what matches, lane=3,seq=100-200; repeatable; fields\n"
	"                     type class fec session lane channel seq window index\n"
	"                     depth flags payload link length\n"
	"  --dup P            send twice\n"
	"  --reorder P:D      hold back until D later frames were handled\n"
	"  --corrupt P        flip one bit behind the Ethernet header\n"
	"  --corrupt-header   the bit may also be in the Ethernet header\n"
	"  --truncate P       cut short\n"
	"The link:\n"
	"  --delay-ms N       delay all frames\n"
	"  --rate-bps N       send no faster; what comes in faster waits in the ring\n"
	"  --ethertype E      our EtherType (0x88b5), or any\n"
	"  --udp PORT         our frames stand in UDP datagrams to PORT; trains are\n"
	"                     cut into datagrams first\n"
	"  --forward-all      let other EtherTypes through; else they are dropped\n"
	"  --ring-mib N       receive ring (64)\n"
	"Files and control:\n"
	"  --log FILE         the list: `N action lane= seq= type= session= ...', N is\n"
	"                     the data frame from 0, or - for an announce\n"
	"  --summary FILE     counts as JSON at the end (default: FILE of --log + .json)\n"
	"  --pcap FILE        record what was forwarded\n"
	"  --seed S           default: $KM_SEED, else at random; printed\n"
	"  --stdin-control    lines `loss 1%', `burst 10' (from the next frame on),\n"
	"                     `drop on|off', `clear', `mark TEXT', `status'; end of file\n"
	"                     stops the emulator\n"
	"  --predict N        print what would be done to data frames 0 to N-1\n"
	"Exit: 0; 1 the emulator itself lost a frame; 64 usage; 69 interface; 71 system;\n"
	"74 file; 77 permission.\n";

enum option_id {
	OPT_IMPAIRMENT = 1, /* the option's name is the key of emulator_parse_set() */
	OPT_CORRUPT_HEADER,
	OPT_IN,
	OPT_OUT,
	OPT_LOG,
	OPT_SUMMARY,
	OPT_PCAP,
	OPT_SEED,
	OPT_ETHERTYPE,
	OPT_UDP,
	OPT_FORWARD_ALL,
	OPT_DELAY,
	OPT_RATE,
	OPT_RING,
	OPT_CONTROL,
	OPT_PREDICT,
	OPT_HELP,
};

static const struct option table[] = {
	{"loss", required_argument, NULL, OPT_IMPAIRMENT},
	{"ge", required_argument, NULL, OPT_IMPAIRMENT},
	{"burst", required_argument, NULL, OPT_IMPAIRMENT},
	{"every", required_argument, NULL, OPT_IMPAIRMENT},
	{"drop-list", required_argument, NULL, OPT_IMPAIRMENT},
	{"drop-if", required_argument, NULL, OPT_IMPAIRMENT},
	{"dup", required_argument, NULL, OPT_IMPAIRMENT},
	{"reorder", required_argument, NULL, OPT_IMPAIRMENT},
	{"corrupt", required_argument, NULL, OPT_IMPAIRMENT},
	{"truncate", required_argument, NULL, OPT_IMPAIRMENT},
	{"corrupt-header", no_argument, NULL, OPT_CORRUPT_HEADER},
	{"in", required_argument, NULL, OPT_IN},
	{"out", required_argument, NULL, OPT_OUT},
	{"log", required_argument, NULL, OPT_LOG},
	{"summary", required_argument, NULL, OPT_SUMMARY},
	{"pcap", required_argument, NULL, OPT_PCAP},
	{"seed", required_argument, NULL, OPT_SEED},
	{"ethertype", required_argument, NULL, OPT_ETHERTYPE},
	{"udp", required_argument, NULL, OPT_UDP},
	{"forward-all", no_argument, NULL, OPT_FORWARD_ALL},
	{"delay-ms", required_argument, NULL, OPT_DELAY},
	{"rate-bps", required_argument, NULL, OPT_RATE},
	{"ring-mib", required_argument, NULL, OPT_RING},
	{"stdin-control", no_argument, NULL, OPT_CONTROL},
	{"predict", required_argument, NULL, OPT_PREDICT},
	{"help", no_argument, NULL, OPT_HELP},
	{NULL, 0, NULL, 0},
};

struct settings {
	struct emulator_bridge_options bridge;
	const char *log;
	bool have_seed, predict;
	uint64_t predict_frames;
};

static int usage(const char *what, const char *value, const char *want)
{
	fprintf(stderr, "km-linkemu: %s %s: %s; try --help\n", what, value, want);
	return EX_USAGE;
}

static int take_number(const char *name, const char *text, uint64_t min, uint64_t max,
		       uint64_t *value)
{
	char want[80];

	if (!emulator_parse_u64(text, value) && *value >= min && *value <= max)
		return 0;
	snprintf(want, sizeof(want), "want a whole number, %" PRIu64 " to %" PRIu64, min,
		 max);
	return usage(name, text, want);
}

static int take_ethertype(struct settings *s, const char *text)
{
	uint64_t value;

	s->bridge.any_ethertype = !strcmp(text, "any");
	if (s->bridge.any_ethertype)
		return 0;
	if (take_number("--ethertype", text, 0x600, 0xffff, &value))
		return EX_USAGE;
	s->bridge.ethertype = (uint16_t)value;
	return 0;
}

static int take_text_option(struct settings *s, int id, const char *text)
{
	switch (id) {
	case OPT_IN:
		s->bridge.in = text;
		return 0;
	case OPT_OUT:
		s->bridge.out = text;
		return 0;
	case OPT_LOG:
		s->log = text;
		return 0;
	case OPT_SUMMARY:
		s->bridge.summary = text;
		return 0;
	case OPT_PCAP:
		s->bridge.pcap = text;
		return 0;
	case OPT_ETHERTYPE:
		return take_ethertype(s, text);
	case OPT_FORWARD_ALL:
		s->bridge.forward_all = true;
		return 0;
	case OPT_CONTROL:
		s->bridge.control = true;
		return 0;
	default: /* getopt has said what it did not understand */
		return EX_USAGE;
	}
}

static int take_option(struct settings *s, struct emulator_schedule *schedule, int id,
		       const char *name, const char *text)
{
	uint64_t value;
	char why[512];

	switch (id) {
	case OPT_IMPAIRMENT:
		if (!emulator_parse_set(schedule, name, text, 0, why, sizeof(why)))
			return 0;
		fprintf(stderr, "km-linkemu: --%s; try --help\n", why);
		return EX_USAGE;
	case OPT_CORRUPT_HEADER:
		schedule->corrupt_header = true;
		return 0;
	case OPT_SEED:
		s->have_seed = true;
		return take_number("--seed", text, 0, UINT64_MAX, &schedule->seed);
	case OPT_DELAY:
		if (take_number("--delay-ms", text, 0, DELAY_MS_MAX, &value))
			return EX_USAGE;
		s->bridge.delay_ns = value * 1000000u;
		return 0;
	case OPT_RATE:
		return take_number("--rate-bps", text, EMULATOR_RATE_BPS_MIN, UINT64_MAX,
				   &s->bridge.rate_bps);
	case OPT_UDP:
		if (take_number("--udp", text, 1, 65535, &value))
			return EX_USAGE;
		s->bridge.udp_port = (uint16_t)value;
		return 0;
	case OPT_RING:
		if (take_number("--ring-mib", text, 2, EMULATOR_RING_MIB_MAX, &value))
			return EX_USAGE;
		s->bridge.ring_mib = value;
		return 0;
	case OPT_PREDICT:
		s->predict = true;
		return take_number("--predict", text, 0, UINT64_MAX, &s->predict_frames);
	default:
		return take_text_option(s, id, text);
	}
}

static int choose_seed(struct settings *s, uint64_t *seed)
{
	const char *text = getenv("KM_SEED");

	if (s->have_seed)
		return 0;
	if (text && *text)
		return take_number("KM_SEED", text, 0, UINT64_MAX, seed);
	if (getrandom(seed, sizeof(*seed), 0) == (ssize_t)sizeof(*seed))
		return 0;
	fprintf(stderr, "km-linkemu: no random seed: %s\n", strerror(errno));
	return EX_OSERR;
}

/* What the run would do to data frames of which only the number is known. */
static int predict(const struct settings *s, struct emulator_model *m)
{
	if (m->schedule.selector_count)
		return usage("--predict", "with --drop-if",
			     "a selector needs frames, not only their numbers");
	printf("# km-linkemu prediction 1 seed=%" PRIu64 "\n", m->schedule.seed);
	for (uint64_t i = 0; i < s->predict_frames; i++) {
		struct emulator_decision d;
		struct emulator_touch t = {.decision = &d,
					   .distance = m->schedule.distance};

		emulator_model_next(m, NULL, &d);
		t.corrupted = d.corrupt;
		t.truncated = d.truncate;
		emulator_list_write(stdout, &t);
	}
	return fflush(stdout) ? EX_IOERR : 0;
}

static int run(struct settings *s, struct emulator_model *m, int argc, char **argv)
{
	char *beside = NULL;
	FILE *list;
	int rc;

	if (!s->bridge.in || !s->bridge.out || !s->log)
		return usage("--in, --out, --log", "missing", "all three are needed");
	if (!s->bridge.summary && asprintf(&beside, "%s.json", s->log) < 0)
		return EX_OSERR;
	if (beside)
		s->bridge.summary = beside;
	list = fopen(s->log, "we");
	if (!list || setvbuf(list, NULL, _IOFBF, LIST_BUFFER_BYTES)) {
		fprintf(stderr, "km-linkemu: --log %s: %s\n", s->log, strerror(errno));
		free(beside);
		return EX_IOERR;
	}
	fprintf(list, "# km-linkemu list 1 seed=%" PRIu64 "\n#", m->schedule.seed);
	for (int i = 1; i < argc; i++)
		fprintf(list, " %s", argv[i]);
	fputc('\n', list);
	rc = emulator_bridge_run(&s->bridge, m, list);
	if (emulator_list_close(list)) {
		fprintf(stderr, "km-linkemu: --log %s: %s\n", s->log, strerror(errno));
		rc = rc ? rc : EX_IOERR;
	}
	free(beside);
	return rc;
}

int main(int argc, char **argv)
{
	static struct emulator_model model; /* 15 KiB, mostly selectors */
	struct settings s = {.bridge = {.ethertype = ETHERTYPE_DEFAULT,
					.ring_mib = EMULATOR_RING_MIB_DEFAULT}};
	int id, at = 0, rc = 0;

	while (!rc && (id = getopt_long(argc, argv, "", table, &at)) != -1) {
		if (id == OPT_HELP)
			return fputs(help, stdout) < 0 || fflush(stdout) ? EX_IOERR : 0;
		rc = take_option(&s, &model.schedule, id, table[at].name, optarg);
	}
	if (!rc && optind < argc)
		rc = usage("argument", argv[optind], "not expected");
	if (!rc)
		rc = choose_seed(&s, &model.schedule.seed);
	if (!rc)
		rc = s.predict ? predict(&s, &model) : run(&s, &model, argc, argv);
	emulator_model_clear(&model);
	return rc;
}
