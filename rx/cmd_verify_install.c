// SPDX-License-Identifier: ISC
/* verify-install: what is installed against the signed manifest of the release. */
#include <stdio.h>

#include "release.h"
#include "rx_commands.h"

int cmd_verify_install(const struct rx_options *options)
{
	const struct release_ask ask = {
		.program = "katamichi-rx",
		.version = KATAMICHI_VERSION,
		.root = options->root,
		.manifest = options->manifest,
		.key = options->release_key,
	};

	return release_verify(&ask, stdout);
}
