// SPDX-License-Identifier: ISC
/* verify-install: what is installed against the signed manifest of the release. */
#include <stdio.h>

#include "release.h"
#include "tx_commands.h"

int cmd_verify_install(const struct tx_options *options)
{
	const struct release_ask ask = {
		.program = "katamichi-tx",
		.version = KATAMICHI_VERSION,
		.root = options->root,
		.manifest = options->manifest,
		.key = options->release_key,
	};

	return release_verify(&ask, stdout);
}
