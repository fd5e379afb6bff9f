/* SPDX-License-Identifier: Apache-2.0
 *
 * How the usual clients differ on the wire, and in what they say of an update.
 */
#include "emu/lwm2m.h"

#include <string.h>

static const struct emu_style styles[] = {
	{
		.name = "plain",
		.version = "1.1",
		.binding = "U",
		.format = EMU_LW_SENML_CBOR,
		.root_format = -1,
		.delivery = EMU_LW_BOTH,
		.block = 1024,
		.resumes = true,
		.claim = EMU_LW_CLAIM_TRUE,
		.lifetime_s = 300,
	},
	{
		.name = "anjay",
		.version = "1.2",
		.format = EMU_LW_SENML_CBOR,
		.root_format = -1,
		.object_versions = true,
		.delivery = EMU_LW_BOTH,
		.block = 1024,
		.own_session = true,
		.resumes = true,
		.etag_aborts = true,
		.claim = EMU_LW_CLAIM_BELIEVED,
		.lifetime_s = 60,
	},
	{
		.name = "wakaama",
		.version = "1.1",
		.binding = "U",
		.format = EMU_LW_TLV,
		.root_format = EMU_LW_SENML_JSON,
		.object_versions = true,
		.no_discover = true,
		.delivery = EMU_LW_PUSH,
		.block = 1024,
		.claim = EMU_LW_CLAIM_NONE,
		.boot_state = EMU_LW_DOWNLOADING,
		.lifetime_s = 300,
	},
	{
		.name = "zephyr",
		.version = "1.1",
		.format = EMU_LW_SENML_CBOR,
		.root_format = EMU_LW_SENML_CBOR,
		.early_update = true,
		.confirmable = true,
		.delivery = EMU_LW_BOTH,
		.block = 256,
		.first_block2 = true,
		.one_token = true,
		.own_session = true,
		.path_only = true,
		.claim = EMU_LW_CLAIM_NONE,
		.lifetime_s = 30,
	},
};

const struct emu_style *emu_style_named(const char *name)
{
	for (size_t i = 0; i < sizeof(styles) / sizeof(styles[0]); i++)
		if (strcmp(styles[i].name, name) == 0)
			return &styles[i];
	return NULL;
}
