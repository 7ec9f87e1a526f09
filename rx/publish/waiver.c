// SPDX-License-Identifier: ISC
#include "waiver.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fileio.h"
#include "log.h"

void waiver_name(char out[WAIVER_NAME_MAX], uint64_t chain, uint64_t number)
{
	(void)snprintf(out, WAIVER_NAME_MAX, "release-%" PRIu64 "-%" PRIu64, chain, number);
}

const struct waiver *waiver_find(const struct flow *flow, uint64_t chain, uint64_t number)
{
	for (unsigned i = 0; i < flow->waivers; i++)
		if (flow->waiver[i].chain == chain && flow->waiver[i].number == number)
			return &flow->waiver[i];
	return NULL;
}

int waiver_each(struct flow *flow, waiver_fn *fn)
{
	int fd = fileio_open_beneath(flow->dir, ".", O_RDONLY | O_DIRECTORY, 0);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	const struct dirent *entry;

	if (!dir) {
		km_close(&fd);
		return -1;
	}
	while ((entry = readdir(dir))) {
		char again[WAIVER_NAME_MAX];
		uint64_t chain, number;

		if (sscanf(entry->d_name, "release-%" SCNu64 "-%" SCNu64, &chain,
			   &number) != 2)
			continue;
		waiver_name(again, chain, number);
		if (strcmp(again, entry->d_name) == 0) /* no answer, nothing half written */
			fn(flow, chain, number);
	}
	closedir(dir);
	return 0;
}

static void waiver_put_back(struct flow *flow, uint64_t chain, uint64_t number)
{
	char part[OBJECT_PART_NAME_MAX];
	struct object *o = shelf_find(&flow->shelf, OBJECT_DATA, chain, number);
	struct stat st;

	object_part_name(part, OBJECT_DATA, chain, number);
	/* with a second name it is a former content, which has its place elsewhere */
	if (!ledger_settled(&flow->ledger, chain, number) ||
	    fstatat(flow->root.incoming, part, &st, AT_SYMLINK_NOFOLLOW) != 0 ||
	    st.st_nlink != 1)
		return;
	if (renameat(flow->root.incoming, part, flow->root.quarantine, part) != 0)
		return;
	(void)!fchmodat(flow->root.quarantine, part, 0600, 0);
	if (o)
		shelf_drop(&flow->shelf, o, false);
}

void waiver_resume(struct flow *flow)
{
	/* a directory that cannot be read now fails where it is read next */
	(void)!waiver_each(flow, waiver_put_back);
}

static void waiver_say(const struct flow *flow, const struct waiver *r,
		       const struct waiver_end *end)
{
	char path[LOG_QUOTE_MAX(WIRE_PATH_MAX)], why[LOG_QUOTE_MAX(WAIVER_REASON_MAX)];
	char hex[DIGEST_HEX_LEN + 1] = "";

	if (end->digest)
		digest_hex(hex, end->digest);
	log_event(end->refused ? EVENT_QUARANTINE_KEPT : EVENT_QUARANTINE_RELEASED,
		  "%s%s channel=%s chain=%" PRIu64 " object=%" PRIu64
		  " path=%s digest=%s uid=%" PRIu32 " reason=%s",
		  end->refused ? "stays in quarantine: "
			       : "released from quarantine by an operator",
		  end->refused ? end->refused : "", flow->conf->name, r->chain, r->number,
		  log_quote(path, sizeof(path), end->path ? end->path : (const uint8_t *)"",
			    end->path ? end->path_len : 0),
		  hex, r->uid, log_quote(why, sizeof(why), r->reason, strlen(r->reason)));
}

static void waiver_tell(struct flow *flow, const struct waiver *r,
			const struct waiver_end *end)
{
	char name[WAIVER_NAME_MAX], answer[WAIVER_NAME_MAX + sizeof(WAIVER_ANSWER)];
	struct km_err ignored = KM_ERR_INIT;
	char text[256];
	int n;

	waiver_name(name, r->chain, r->number);
	(void)snprintf(answer, sizeof(answer), "%s" WAIVER_ANSWER, name);
	n = snprintf(text, sizeof(text), "%s%s\n", end->refused ? "" : WAIVER_DONE,
		     end->refused ? end->refused : "");
	/* nobody may be waiting for it; the event has it too */
	(void)!fileio_write_atomic(flow->dir, answer, text, (size_t)n, 0600, &ignored);
	(void)unlinkat(flow->dir, name, 0);
}

void waiver_finish(struct flow *flow, uint64_t chain, uint64_t number,
		   const struct waiver_end *end)
{
	char reason[OBJECT_PART_NAME_MAX + sizeof(".reason")], part[OBJECT_PART_NAME_MAX];
	const struct waiver *r = waiver_find(flow, chain, number);

	if (!r)
		return;
	object_part_name(part, OBJECT_DATA, chain, number);
	(void)snprintf(reason, sizeof(reason), "%s.reason", part);
	if (!end->refused)
		(void)unlinkat(flow->root.quarantine, reason, 0);
	waiver_say(flow, r, end);
	waiver_tell(flow, r, end);
	flow->waiver[r - flow->waiver] = flow->waiver[--flow->waivers];
}
