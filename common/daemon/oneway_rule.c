// SPDX-License-Identifier: ISC
#include "oneway_rule.h"

#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <net/if.h>
#include <string.h>
#include <unistd.h>

#include "oneway_netlink.h"

#define CHAINS_MAX 16u
#define NAME_LEN 64u

/* linux/netfilter.h has it since Linux 5.16 */
#define HOOK_NETDEV_EGRESS 1u

struct chain {
	char table[NAME_LEN], name[NAME_LEN];
	bool drops, opens; /* by policy; a rule could let something through */
};

struct search {
	const char *interface;
	uint32_t hook;
	unsigned n;
	struct chain chain[CHAINS_MAX];
};

static uint32_t number_at(const void *p, size_t len, unsigned type, uint32_t otherwise)
{
	size_t got;
	const void *found = oneway_netlink_find(p, len, type, sizeof(uint32_t), &got);
	uint32_t value;

	if (!found)
		return otherwise;
	memcpy(&value, found, sizeof(value));
	return ntohl(value);
}

static void text_at(const void *p, size_t len, unsigned type, char text[NAME_LEN])
{
	size_t got;
	const char *found = oneway_netlink_find(p, len, type, 1, &got);

	text[0] = '\0';
	if (found)
		(void)snprintf(text, NAME_LEN, "%.*s", (int)strnlen(found, got), found);
}

static bool is_name(const void *p, size_t len, const char *name)
{
	return strnlen(p, len) == strlen(name) && memcmp(p, name, strlen(name)) == 0;
}

/* A chain has one interface by NFTA_HOOK_DEV, or several in NFTA_HOOK_DEVS. */
static bool hooks_interface(const void *hook, size_t len, const char *interface)
{
	struct oneway_attribute dev;
	const uint8_t *devs;
	size_t got;

	devs = oneway_netlink_find(hook, len, NFTA_HOOK_DEV, 1, &got);
	if (devs && is_name(devs, got, interface))
		return true;
	devs = oneway_netlink_find(hook, len, NFTA_HOOK_DEVS, 1, &got);
	while (devs && oneway_netlink_next(&devs, &got, &dev))
		if (is_name(dev.p, dev.len, interface))
			return true;
	return false;
}

static void take_chain(void *ctx, const void *body, size_t len)
{
	struct search *search = ctx;
	const uint8_t *p = (const uint8_t *)body + sizeof(struct nfgenmsg);
	struct chain *chain;
	const void *hook;
	size_t got;

	if (len < sizeof(struct nfgenmsg) || search->n == CHAINS_MAX)
		return;
	len -= sizeof(struct nfgenmsg);
	hook = oneway_netlink_find(p, len, NFTA_CHAIN_HOOK, 1, &got);
	if (!hook || number_at(hook, got, NFTA_HOOK_HOOKNUM, UINT32_MAX) != search->hook ||
	    !hooks_interface(hook, got, search->interface))
		return;
	chain = &search->chain[search->n++];
	*chain = (struct chain){.drops = number_at(p, len, NFTA_CHAIN_POLICY, NF_ACCEPT) ==
					 NF_DROP};
	text_at(p, len, NFTA_CHAIN_TABLE, chain->table);
	text_at(p, len, NFTA_CHAIN_NAME, chain->name);
}

/* What an expression may be so that nothing gets through by its rule. */
static bool expression_is_harmless(const void *expression, size_t len)
{
	char name[NAME_LEN];
	const void *data, *verdict;
	size_t got;

	text_at(expression, len, NFTA_EXPR_NAME, name);
	if (strcmp(name, "counter") == 0 || strcmp(name, "log") == 0)
		return true;
	if (strcmp(name, "immediate") != 0)
		return false;
	data = oneway_netlink_find(expression, len, NFTA_EXPR_DATA, 1, &got);
	data = data ? oneway_netlink_find(data, got, NFTA_IMMEDIATE_DATA, 1, &got) : NULL;
	verdict = data ? oneway_netlink_find(data, got, NFTA_DATA_VERDICT, 1, &got) : NULL;
	return verdict && number_at(verdict, got, NFTA_VERDICT_CODE, NF_ACCEPT) == NF_DROP;
}

static void take_rule(void *ctx, const void *body, size_t len)
{
	struct search *search = ctx;
	const uint8_t *p = (const uint8_t *)body + sizeof(struct nfgenmsg), *list;
	struct oneway_attribute expression;
	char table[NAME_LEN], name[NAME_LEN];
	bool harmless = true;
	size_t left;

	if (len < sizeof(struct nfgenmsg))
		return;
	len -= sizeof(struct nfgenmsg);
	text_at(p, len, NFTA_RULE_TABLE, table);
	text_at(p, len, NFTA_RULE_CHAIN, name);
	list = oneway_netlink_find(p, len, NFTA_RULE_EXPRESSIONS, 1, &left);
	while (list && oneway_netlink_next(&list, &left, &expression))
		harmless &= expression_is_harmless(expression.p, expression.len);
	for (unsigned i = 0; i < search->n; i++)
		if (strcmp(search->chain[i].table, table) == 0 &&
		    strcmp(search->chain[i].name, name) == 0)
			search->chain[i].opens |= !harmless;
}

static int list(struct search *search, unsigned what, oneway_netlink_fn *each)
{
	const struct nfgenmsg request = {.nfgen_family = NFPROTO_NETDEV,
					 .version = NFNETLINK_V0};

	return oneway_netlink_list(NETLINK_NETFILTER,
				   (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | what), &request,
				   sizeof(request), each, search);
}

void oneway_look_at_rule(struct oneway_report *report, const char *interface,
			 enum oneway_hook hook)
{
	const char *const id = hook == ONEWAY_EGRESS ? "egress-rule" : "ingress-rule";
	const char *const side = hook == ONEWAY_EGRESS ? "rx" : "tx";
	struct search search = {.interface = interface,
				.hook = hook == ONEWAY_EGRESS ? HOOK_NETDEV_EGRESS : 0};
	const struct chain *good = NULL;

	if (list(&search, NFT_MSG_GETCHAIN, take_chain) != 0 ||
	    list(&search, NFT_MSG_GETRULE, take_rule) != 0) {
		oneway_add(
			report, id, ONEWAY_UNKNOWN,
			"nftables does not tell: start as root, on a kernel that has it");
	} else {
		for (unsigned i = 0; i < search.n; i++)
			if (search.chain[i].drops && !search.chain[i].opens)
				good = &search.chain[i];
		if (good)
			oneway_add(report, id, ONEWAY_PASS,
				   "chain %s of table %s drops everything at %s",
				   good->name, good->table, interface);
		else
			oneway_add(report, id, ONEWAY_FAIL,
				   "no chain that drops everything at %s (%u that do not); "
				   "load oneway-%s.nft",
				   interface, search.n, side);
	}
	oneway_by_hand(report, "nft list hooks netdev device %s; nft list ruleset netdev",
		       interface);
}
