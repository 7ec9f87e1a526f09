// SPDX-License-Identifier: ISC
/* verify, missing: publish's own judgement of ledger and tree, on what lies on disk. */
#include <stdio.h>
#include <string.h>

#include "digest_many.h"
#include "missing.h"
#include "rx_commands.h"
#include "verify.h"

static struct rx_parse *open_for(const struct rx_options *options, int *code)
{
	struct rx_parse *parse = rx_open_config(options->config, NULL, NULL, code);

	if (!parse || !options->channel)
		return parse;
	for (unsigned i = 0; i < parse->config.channels; i++)
		if (strcmp(parse->config.channel[i].name, options->channel) == 0)
			return parse;
	(void)fprintf(stderr, "katamichi-rx: --channel %s: no such channel in %s\n",
		      options->channel, options->config);
	rx_parse_free(parse);
	*code = EX_USAGE;
	return NULL;
}

int cmd_verify(const struct rx_options *options)
{
	int code;
	struct rx_parse *parse = open_for(options, &code);

	if (!parse)
		return code;
	(void)!digest_init(DIGEST_KERNEL_AUTO, NULL); /* AUTO has libcrypto at worst */
	code = verify_run(&parse->config, options->channel, stdout);
	rx_parse_free(parse);
	return code;
}

int cmd_missing(const struct rx_options *options)
{
	int code;
	struct rx_parse *parse = open_for(options, &code);

	if (!parse)
		return code;
	code = missing_run(&parse->config, options->channel, stdout);
	rx_parse_free(parse);
	return code;
}
