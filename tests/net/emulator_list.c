// SPDX-License-Identifier: ISC
#include "emulator_list.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void write_actions(FILE *out, const struct emulator_touch *t)
{
	const char *joint = "";
	const struct {
		bool done;
		const char *name;
	} actions[] = {
		{t->decision->why != EMULATOR_WHY_KEPT, "lost"},
		{t->truncated, "truncated"},
		{t->corrupted, "corrupted"},
		{t->decision->duplicate, "duplicated"},
		{t->decision->reorder, "reordered"},
	};

	for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++) {
		if (!actions[i].done)
			continue;
		fprintf(out, "%s%s", joint, actions[i].name);
		joint = "+";
	}
}

static void write_frame(FILE *out, const struct emulator_frame *f)
{
	if (!f) {
		fputs(" lane=- seq=- type=- session=-", out);
		return;
	}
	if (f->is_data)
		fprintf(out, " lane=%u seq=%" PRIu64, f->lane, f->seq);
	else
		fputs(" lane=- seq=-", out);
	if (f->has_prefix)
		fprintf(out, " type=%u session=0x%08" PRIx32, f->type, f->session);
	else
		fputs(" type=- session=-", out);
	if (f->is_data)
		fprintf(out, " channel=%u window=%" PRIu32 " index=%u", f->channel,
			f->window, f->index);
	fprintf(out, " length=%zu", f->frame_bytes);
}

void emulator_list_write(FILE *out, const struct emulator_touch *t)
{
	const struct emulator_decision *d = t->decision;
	bool lost = d->why != EMULATOR_WHY_KEPT;

	if (!lost && !t->truncated && !t->corrupted && !d->duplicate && !d->reorder)
		return;
	if (d->is_data)
		fprintf(out, "%" PRIu64 " ", d->number);
	else
		fputs("- ", out);
	write_actions(out, t);
	write_frame(out, t->frame);
	if (lost)
		fprintf(out, " why=%s", emulator_model_why_name(d->why));
	if (t->truncated && t->frame)
		fprintf(out, " cut=%" PRIu64, t->cut_bytes);
	if (t->corrupted && t->frame)
		fprintf(out, " bit=%" PRIu64, t->bit);
	if (d->reorder)
		fprintf(out, " distance=%" PRIu32, t->distance);
	if (!d->is_data)
		fprintf(out, " before=%" PRIu64, d->number);
	fputc('\n', out);
}

void emulator_list_json(FILE *out, const struct emulator_counts *c, uint64_t seed)
{
	const struct {
		const char *name;
		uint64_t value;
	} keys[] = {
		{"seed", seed},
		{"frames_in", c->frames_in},
		{"data_frames", c->data_frames},
		{"other_frames", c->other_frames},
		{"bytes_in", c->bytes_in},
		{"forwarded", c->forwarded},
		{"bytes_forwarded", c->bytes_forwarded},
		{"lost", c->lost},
		{"lost_data", c->lost_data},
		{"lost_other", c->lost - c->lost_data},
		{"duplicated", c->duplicated},
		{"reordered", c->reordered},
		{"corrupted", c->corrupted},
		{"truncated", c->truncated},
		{"foreign", c->foreign},
		{"foreign_forwarded", c->foreign_forwarded},
		{"held", c->held},
		{"own_drops", c->own_drops},
		{"link_down", c->link_down},
		{"send_failed", c->send_failed},
		{"send_retries", c->send_retries},
		{"abandoned", c->abandoned},
	};

	fputc('{', out);
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		fprintf(out, "\"%s\": %" PRIu64 ", ", keys[i].name, keys[i].value);
	fputs("\"lost_by\": {", out);
	for (int i = EMULATOR_WHY_SWITCH; i < EMULATOR_WHY_COUNT; i++)
		fprintf(out, "%s\"%s\": %" PRIu64, i == EMULATOR_WHY_SWITCH ? "" : ", ",
			emulator_model_why_name((enum emulator_why)i), c->lost_by[i]);
	fputs("}}\n", out);
}

int emulator_list_close(FILE *out)
{
	bool bad = fflush(out) || ferror(out);
	int saved = errno;

	if (fclose(out)) {
		saved = errno;
		bad = true;
	}
	errno = saved;
	return bad ? -1 : 0;
}

int emulator_list_summary(const char *path, const struct emulator_counts *c, uint64_t seed)
{
	char *beside;
	FILE *out;
	int rc = -1;

	if (asprintf(&beside, "%s.new", path) < 0)
		return -1;
	out = fopen(beside, "we");
	if (!out)
		goto out_free;
	emulator_list_json(out, c, seed);
	if (fflush(out) || fsync(fileno(out))) {
		fclose(out);
		goto out_free;
	}
	if (emulator_list_close(out))
		goto out_free;
	rc = rename(beside, path);
out_free:
	free(beside);
	return rc;
}
