/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/commands.h"

#include <stddef.h>

#define PROTOCOL_OPTIONS                                                                           \
	{"protocol", "P", "what its devices speak: any, native, or another protocol's name"},      \
	{                                                                                          \
		"protocol-option", "O=V",                                                          \
			"an option of it and its value; may be repeated; O= takes it out"          \
	}

static const struct option_row product_add_options[] = {
	{"hardware", "H", "only devices that report this hardware"},
	PROTOCOL_OPTIONS,
	{NULL, NULL, NULL},
};
static const struct option_row release_add_options[] = {
	{"version", "V", "what a device running it reports as its version"},
	{"running", "KIND:HEX", "a digest a device running it reports; may be repeated"},
	{"reports", "LIST", "no-digest, no-confirm: what devices running it cannot report"},
	{"draft", NULL, "not active yet: no target until release activate"},
	{"label-anyway", NULL, "even if the image says that it is another version"},
	{"signature", "F", "a file with a signature of the image; - reads standard input"},
	{"min-version", "V", "only devices that run at least this version"},
	{"must-pass", "V", "a release that devices have to run before it; may be repeated"},
	{"hardware", "H", "only devices that report this hardware; may be repeated"},
	{"boot-loader", "B", "only devices that report this boot loader, or a newer one"},
	{"security-counter", "N", "of the image: devices with a higher one do not take it"},
	{NULL, NULL, NULL},
};
static const struct option_row release_inspect_options[] = {
	{"key", "F", "a public key that must have signed it (PEM); may be repeated"},
	{"signature", "F", "a file with a signature of the image; - reads standard input"},
	{NULL, NULL, NULL},
};
static const struct option_row group_add_options[] = {
	{"target", "V", "the release its devices should run"},
	{NULL, NULL, NULL},
};
static const struct option_row device_add_options[] = {
	{"product", "P", "the product it belongs to"},
	{"group", "G", "the group of that product it is in"},
	{"development", NULL, "only a lock reaches it"},
	{"psk-file", "F", "its key: a file of hex digits; - reads standard input"},
	{"psk-generate", NULL, "let the server draw a key, and show it once"},
	{"psk-out", "F", "write the drawn key to a new file instead of showing it"},
	{"certificate", NULL, "no key: it has a certificate that a CA of its product has signed"},
	{"plain", NULL, "no key: it may speak plain CoAP, where the server allows it"},
	{NULL, NULL, NULL},
};
static const struct option_row rollout_plan_options[] = {
	{"days", "N", "name devices that have no maintenance window in the next N days [7]"},
	{"dry-run", NULL, "as it is without: nothing is changed"},
	{NULL, NULL, NULL},
};
static const struct option_row rollout_add_options[] = {
	{"name", "N", "its name in the product [the version]"},
	{"waves", "W", "how far each wave reaches: 5,1%,gate,10%,100% [1%,10%,100%]"},
	{"filter", "F", "which devices of the product [all]"},
	{"start-at", "T", "not before this time: 2026-11-22T23:51:07Z"},
	{NULL, NULL, NULL},
};
static const struct option_row device_key_options[] = {
	{"psk-file", "F", "the next key: a file of hex digits; - reads standard input"},
	{"psk-generate", NULL, "let the server draw the next key, and show it once"},
	{"psk-out", "F", "write the drawn key to a new file instead of showing it"},
	{"now", NULL, "at once, in the place of its keys, its certificate or plain CoAP"},
	{"drop-next", NULL, "take the next key away: the current one stays"},
	{NULL, NULL, NULL},
};
/* What device list and device export choose by. */
/* clang-format off */
#define DEVICE_FILTER_OPTIONS \
	{"product", "P", "only devices of this product"}, \
	{"group", "G", "only devices in a group of this name; none: in no group"}, \
	{"tag", "T", "only devices with this tag"}, \
	{"development", NULL, "only development devices"}, \
	{"query", "Q", "only devices that fit this saved query"}, \
	{"state", "S", "only in this state: held, disabled, waiting, updating, in-sync, new, no-target"}, \
	{"hold", "R", "only held for this reason; any: for whatever"}, \
	{"online", NULL, "only devices that are online"}, \
	{"offline", NULL, "only devices that are not"}, \
	{"version", "V", "only devices that run this version, as they say"}, \
	{"drifted", NULL, "only devices that left their release by themselves"}
/* clang-format on */

static const struct option_row device_list_options[] = {
	DEVICE_FILTER_OPTIONS,
	{"sort", "KEY", "by id, product, state, seen, version or target; -KEY: the other way [id]"},
	{"columns", "LIST", "only these: id,product,group,state,runs,target,seen,tags,note"},
	{"watch", NULL, "look again each second, until Ctrl-C"},
	{NULL, NULL, NULL},
};
static const struct option_row device_history_options[] = {
	{"limit", "N", "the newest N attempts [20]"},
	{NULL, NULL, NULL},
};
static const struct option_row device_import_options[] = {
	{"product", "P", "the product of those that name none"},
	{"psk-out", "F", "draw keys for devices without one, and write them to this new file"},
	{"skip-existing", NULL, "leave devices alone that are there already"},
	{"dry-run", NULL, "only look whether all of it is right"},
	{NULL, NULL, NULL},
};
static const struct option_row device_export_options[] = {
	DEVICE_FILTER_OPTIONS,
	{"format", "F", "csv or jsonl [csv]"},
	{NULL, NULL, NULL},
};
static const struct option_row attempt_list_options[] = {
	{"device", "ID", "only attempts of this device"},
	{"product", "P", "only attempts of this product"},
	{"release", "V", "only attempts to this release of --product"},
	{"verdict", "W", "only attempts that ended so"},
	{"charged", NULL, "only attempts that count as a failure"},
	{"open", NULL, "only attempts without a verdict"},
	{"since", "T", "created then or later: 2026-11-22T23:51:07Z, or 24h"},
	{"until", "T", "created before this time"},
	{"limit", "N", "the newest N [50]"},
	{NULL, NULL, NULL},
};
static const struct option_row attempt_watch_options[] = {
	{"wait", NULL, "of a device: wait until an attempt opens"},
	{NULL, NULL, NULL},
};
static const struct option_row event_list_options[] = {
	{"after", "N", "events after this number or cursor, oldest first"},
	{"device", "ID", "only events of this device"},
	{"attempt", "A", "only events of this attempt"},
	{"topic", "T", "only this topic, without the server's prefix"},
	{"limit", "N", "at most N; without --after the newest N [50]"},
	{NULL, NULL, NULL},
};
static const struct option_row event_follow_options[] = {
	{"after", "N", "begin after this number or cursor; 0: the beginning [now]"},
	{"device", "ID", "only events of this device"},
	{"attempt", "A", "only events of this attempt"},
	{"topic", "T", "only this topic, without the server's prefix; may be repeated"},
	{NULL, NULL, NULL},
};

static const struct option_row act_options[] = {
	{"if-rev", "N", "only if its revision is still N, as show told it"},
	{NULL, NULL, NULL},
};
static const struct option_row rollout_remove_options[] = {
	{"yes", NULL, "although devices have their target from it, and lose that"},
	{"if-rev", "N", "only if its revision is still N, as show told it"},
	{NULL, NULL, NULL},
};
static const struct option_row product_set_options[] = {
	PROTOCOL_OPTIONS,
	{"if-rev", "N", "only if its revision is still N, as show told it"},
	{NULL, NULL, NULL},
};
static const struct option_row audit_list_options[] = {
	{"object", "X", "only acts on this device, product, \"PRODUCT VERSION\" or attempt"},
	{"limit", "N", "the newest N [50]; -n for short"},
	{NULL, NULL, NULL},
};
static const struct option_row audit_verify_options[] = {
	{"known", "N:HASH", "row N must have this hash, as the journal has it"},
	{"file", "F", "verify an export, without a server; - reads standard input"},
	{"head", "N:HASH", "of --file: row N is there and has this hash"},
	{NULL, NULL, NULL},
};
static const struct option_row audit_export_options[] = {
	{"since", "T", "rows from then on: 2026-11-22T23:51:07Z, or 24h"},
	{"until", "T", "rows before this time"},
	{"object", "X", "only of this device, product, \"PRODUCT VERSION\" or attempt"},
	{NULL, NULL, NULL},
};

#define HOOK_OPTIONS                                                                               \
	{"topic", "T", "only topics that begin so: flash, device/boot; may be repeated; all"},     \
		{"product", "P", "only events of this product; may be repeated; all"},             \
		{"batch", "N", "up to N events in one message [1]"},                               \
	{                                                                                          \
		"secret-file", "F", "what its messages are signed with: a line; - reads stdin"     \
	}
static const struct option_row hook_add_options[] = {
	HOOK_OPTIONS,
	{"after", "N", "begin after this event; 0: with the oldest [now]"},
	{NULL, NULL, NULL},
};
static const struct option_row hook_set_options[] = {
	{"url", "URL", "where its messages go"},
	HOOK_OPTIONS,
	{"new-secret", NULL, "let the server draw a secret, and show it once"},
	{"if-rev", "N", "only if its revision is still N, as show told it"},
	{NULL, NULL, NULL},
};
static const char hook_text[] =
	"Events are posted to the URL (http or https) as CloudEvents, each at least once and in\n"
	"their order; postboot-hooks(7) tells how a receiver checks their signature. Without\n"
	"--secret-file the server draws a secret, and shows it once.";
static const char dead_text[] =
	"A message that its receiver refused too often was put aside, so that others could follow.";

static const char filter_text[] =
	"FILTER is KEY=VALUE or KEY!=VALUE, up to 16 of them; all must hold. The keys: product, "
	"group, "
	"tag, development, state, hold, online, version, drifted, locked, hardware, protocol.";
static const char policy_text[] =
	"Policy keys and their values: postbootctl product show NAME. windows=\"Mon-Fri "
	"01:00-05:00\"\n"
	"and time-zone=Europe/Berlin say when devices may be updated. hardware=H is one, too:\n"
	"only devices that report this hardware. Either - or _ joins\n"
	"their words. Keys that end in -s are seconds; 90, 90s, 15m, 2h and 7d are understood.";
static const char group_set_text[] =
	"The keys: name, windows (\"Mon-Fri 01:00-05:00\"), time-zone (Europe/Berlin), "
	"max-downloads\n"
	"(at the same time), image-rate (2M: bytes of images a second). Without a "
	"value\n"
	"(windows=) it has none of its own: the windows of the product hold, and no limits.";
static const char device_set_text[] =
	"The keys: windows (\"Mon-Fri 01:00-05:00\"), time-zone (Europe/Berlin). Without a value\n"
	"(windows=) it has none of its own: those of its group hold, or of its product.";
static const char rollout_text[] = "A wave is all that is reached with it: a number of devices or "
				   "a share, \"gate\" before one\n"
				   "that waits for an operator. Settings (fail-percent=3, "
				   "rate=60): postboot-rollout(7). It is\n"
				   "a draft until it is started.";
static const char ca_text[] =
	"FILE has one or more certificates (PEM, ECDSA on P-256); - reads standard input. They "
	"take\n"
	"the place of those before; none: no device of this product may have a certificate.";
static const char signature_text[] =
	"With --key: exit status 1 unless one of the keys has signed the image. The signature is\n"
	"in the image, or in the file of --signature; postboot-update(7) says of what it is.";
static const char signer_text[] =
	"FILE has a public key (PEM): ECDSA on P-256, RSA of 2048, 3072 or 4096 bits, or Ed25519, "
	"as\n"
	"openssl pkey -pubout and imgtool getpub -e pem write it; - reads standard input. With the "
	"policy\n"
	"require-signature=1 the product takes only releases that one of its signers has signed.";
static const char release_text[] =
	"The digest `file` (SHA-256 of the whole file) is always known. A progress bar is\n"
	"shown on a terminal; an interrupted upload leaves nothing behind.";
static const char key_text[] =
	"One of --psk-file, --psk-generate, --certificate and --plain is needed.";
static const char next_text[] =
	"The current key works until the device has made a session with the next one; then the\n"
	"current one is retired. A next key that waits already is replaced. With --now it is the\n"
	"only one at once: whatever the device proved itself with before, and its sessions, end.";
static const char certificate_text[] =
	"A CA of its product has to have signed it (product ca). Its keys and its sessions end.";
static const char watch_text[] =
	"Prints each step as it is reached. Exit status 0 if the attempt succeeds, 1 if it\n"
	"fails. With -o json: one line for each change.";
static const char verify_text[] =
	"Exit status 1 if a row was changed, taken out or put in; the first such row is named.";
static const char audit_prune_text[] =
	"FILE is what audit export wrote. It is verified and on the disk before the first row "
	"goes, the\n"
	"server looks whether it has the same hash, and the rest of the log goes on from there:\n"
	"audit export --until 2160h >FILE; audit prune FILE";
static const char audit_export_text[] =
	"JSON lines to standard output; the last line says how far the log goes. The whole log, "
	"or\n"
	"a stretch of it, proves by itself that nothing in it was changed, taken out or moved; "
	"with\n"
	"--object only each row by itself. See audit verify --file and postboot-api(7).";
static const char follow_text[] =
	"Goes on after a lost connection where it stopped. With -o json: one event a line.";

static const char import_text[] =
	"FILE is CSV with the names of its columns in the first line, or JSON lines; - reads\n"
	"standard input. Columns: id, product, psk (hex digits or base64; empty: drawn, see\n"
	"--psk-out), certificate, plain, lock (a version), hold. If anything is wrong, all of it "
	"is\n"
	"told, and nothing is imported.";
static const char export_text[] = "To standard output. Keys of devices are never in it.";

static const char explain_text[] =
	"One word is a device, whatever its name. For a release all devices of its product are "
	"counted.";
static const char backup_text[] =
	"FILE appears when it is whole, with mode 0600: it holds keys of devices. - writes to\n"
	"standard output. Images are not in it. To restore: postbootd --restore FILE.";

/* clang-format off */
const struct command commands[] = {
	{"product", "add", "NAME [--hardware H] [--protocol P] [--protocol-option O=V]... [KEY=VALUE...]", 1, ARGS_MAX,
	 "create a product", product_add_options, product_add, policy_text},
	{"product", "list", "", 0, 0,
	 "all products", NULL, product_list, NULL},
	{"product", "show", "NAME", 1, 1,
	 "one product and its policy", NULL, product_show, NULL},
	{"product", "set", "NAME [KEY=VALUE...] [--protocol P] [--protocol-option O=V]... [--if-rev N]", 1, ARGS_MAX,
	 "change its policy, hardware or protocol", product_set_options, product_set, policy_text},
	{"product", "target", "NAME VERSION|none [--if-rev N]", 2, 2,
	 "the release its devices should run", act_options, product_target, NULL},
	{"product", "ca", "NAME FILE|none [--if-rev N]", 2, 2,
	 "who signs certificates of its devices", act_options, product_ca, ca_text},

	{"release", "add", "PRODUCT FILE --version V [--running KIND:HEX]... [--reports LIST] [--min-version V] [--must-pass V]... [--hardware H]... [--boot-loader B] [--security-counter N] [--signature F] [--draft] [--label-anyway]", 2, 2,
	 "upload an image", release_add_options, release_add, release_text},
	{"release", "list", "[PRODUCT]", 0, 1,
	 "all releases", NULL, release_list, NULL},
	{"release", "show", "PRODUCT VERSION", 2, 2,
	 "one release", NULL, release_show, NULL},
	{"release", "inspect", "FILE [--key F]... [--signature F]", 1, 1,
	 "what an image says of itself, without the server", release_inspect_options, release_inspect, signature_text},
	{"release", "activate", "PRODUCT VERSION [--if-rev N]", 2, 2,
	 "a draft, or a quarantined one that is good after all", act_options, release_state, NULL},
	{"release", "quarantine", "PRODUCT VERSION [--if-rev N]", 2, 2,
	 "offer it to nobody, and end its attempts", act_options, release_state, NULL},
	{"release", "withdraw", "PRODUCT VERSION [--if-rev N]", 2, 2,
	 "the same for good", act_options, release_state, NULL},
	{"release", "remove", "PRODUCT VERSION [--if-rev N]", 2, 2,
	 "delete a release that nothing uses", act_options, release_remove, NULL},

	{"signer", "add", "PRODUCT NAME FILE", 3, 3,
	 "a public key that may sign the product's releases", NULL, signer_add, signer_text},
	{"signer", "list", "PRODUCT", 1, 1,
	 "its signers", NULL, signer_list, NULL},
	{"signer", "show", "PRODUCT SIGNER", 2, 2,
	 "one signer, its key, and what it has signed", NULL, signer_show, NULL},
	{"signer", "remove", "PRODUCT SIGNER [--if-rev N]", 2, 2,
	 "delete one; what it has signed stays", act_options, signer_remove, NULL},

	{"rollout", "add", "PRODUCT VERSION [--name N] [--waves W] [--filter F] [--start-at T] [SETTING=N...]", 2, ARGS_MAX,
	 "plan to bring a release to many devices", rollout_add_options, rollout_add, rollout_text},
	{"rollout", "list", "PRODUCT", 1, 1,
	 "rollouts of a product", NULL, rollout_list, NULL},
	{"rollout", "show", "PRODUCT ROLLOUT", 2, 2,
	 "how it goes, wave by wave", NULL, rollout_show, NULL},
	{"rollout", "plan", "PRODUCT ROLLOUT [--days N] [--dry-run]", 2, 2,
	 "a dry run: whom it reaches when, who is refused and why", rollout_plan_options, rollout_plan, NULL},
	{"rollout", "devices", "PRODUCT ROLLOUT", 2, 2,
	 "its members: in which wave, and what came of it", NULL, rollout_devices, NULL},
	{"rollout", "approve", "PRODUCT ROLLOUT [--if-rev N]", 2, 2,
	 "let somebody else's rollout begin", act_options, rollout_act, NULL},
	{"rollout", "start", "PRODUCT ROLLOUT [--if-rev N]", 2, 2,
	 "begin, at once or at its time", act_options, rollout_start, NULL},
	{"rollout", "pause", "PRODUCT ROLLOUT [--if-rev N]", 2, 2,
	 "offer nothing new; what is under way goes on", act_options, rollout_act, NULL},
	{"rollout", "resume", "PRODUCT ROLLOUT [--if-rev N]", 2, 2,
	 "go on after a pause or a halt", act_options, rollout_act, NULL},
	{"rollout", "next", "PRODUCT ROLLOUT [--if-rev N]", 2, 2,
	 "open the next wave now", act_options, rollout_act, NULL},
	{"rollout", "finish", "PRODUCT ROLLOUT [--if-rev N]", 2, 2,
	 "end it: whom it reached keeps the release", act_options, rollout_act, NULL},
	{"rollout", "abort", "PRODUCT ROLLOUT [--if-rev N]", 2, 2,
	 "end it: its devices go back to their other target", act_options, rollout_act, NULL},
	{"rollout", "remove", "PRODUCT ROLLOUT [--yes] [--if-rev N]", 2, 2,
	 "delete one that is not open", rollout_remove_options, rollout_remove, NULL},

	{"group", "add", "PRODUCT NAME [--target V]", 2, 2,
	 "create a group of devices of a product", group_add_options, group_add, NULL},
	{"group", "list", "[PRODUCT]", 0, 1,
	 "all groups", NULL, group_list, NULL},
	{"group", "show", "PRODUCT GROUP", 2, 2,
	 "one group", NULL, group_show, NULL},
	{"group", "set", "PRODUCT GROUP GROUP-KEY=VALUE... [--if-rev N]", 3, ARGS_MAX,
	 "change its name, its maintenance windows or its limits", act_options, group_set, group_set_text},
	{"group", "target", "PRODUCT GROUP VERSION|none [--if-rev N]", 3, 3,
	 "the release its devices should run, before the product's", act_options, group_target, NULL},
	{"group", "remove", "PRODUCT GROUP [--if-rev N]", 2, 2,
	 "delete a group that no device is in", act_options, group_remove, NULL},

	{"device", "add", "ID --product P [--group G] [--development] [--psk-file F | --psk-generate [--psk-out F] | --certificate | --plain]", 1, 1,
	 "create a device", device_add_options, device_add, key_text},
	{"device", "list", "[FILTER...] [--query Q] [--group G] [--tag T] [--development] [--product P] [--state S] [--hold R] [--online | --offline] [--version V] [--drifted] [--sort KEY] [--columns LIST] [--watch]", 0, ARGS_MAX,
	 "all devices", device_list_options, device_list, filter_text},
	{"device", "import", "FILE [--product P] [--psk-out F] [--skip-existing] [--dry-run]", 1, 1,
	 "add many devices, all or none of them", device_import_options, device_import, import_text},
	{"device", "export", "[FILTER...] [--query Q] [--group G] [--tag T] [--development] [--product P] [--state S] [--hold R] [--online | --offline] [--version V] [--drifted] [--format F]", 0, ARGS_MAX,
	 "devices as a file for import, without their keys", device_export_options, device_export, export_text},
	{"device", "show", "ID", 1, 1,
	 "what it runs, what it should run, its last attempt", NULL, device_show, NULL},
	{"device", "key", "ID --psk-file F | --psk-generate [--psk-out F] [--now] | --drop-next", 1, 1,
	 "give it its next key", device_key_options, device_key, next_text},
	{"device", "certificate", "ID [--if-rev N]", 1, 1,
	 "from now on it has a certificate in the place of its key", act_options, device_act, certificate_text},
	{"device", "history", "ID [--limit N]", 1, 1,
	 "its attempts, told as a story", device_history_options, device_history, NULL},
	{"device", "set", "ID DEVICE-KEY=VALUE... [--if-rev N]", 2, ARGS_MAX,
	 "maintenance windows and time zone of its own", act_options, device_set, device_set_text},
	{"device", "group", "ID GROUP|none [--if-rev N]", 2, 2,
	 "the group of its product it is in", act_options, device_group, NULL},
	{"device", "tag", "ID TAG... [--if-rev N]", 2, ARGS_MAX,
	 "words on it, to find it by", act_options, device_tag, NULL},
	{"device", "untag", "ID TAG... [--if-rev N]", 2, ARGS_MAX,
	 "take words from it", act_options, device_tag, NULL},
	{"device", "development", "ID [--if-rev N]", 1, 1,
	 "from now on only a lock reaches it", act_options, device_act, NULL},
	{"device", "production", "ID [--if-rev N]", 1, 1,
	 "no longer a development device", act_options, device_act, NULL},
	{"device", "lock", "ID VERSION [--if-rev N]", 2, 2,
	 "it runs this release, whatever else is its target", act_options, device_lock, NULL},
	{"device", "unlock", "ID [--if-rev N]", 1, 1,
	 "back to the target of its group or product", act_options, device_act, NULL},
	{"device", "force", "ID [--if-rev N]", 1, 1,
	 "update it even if it has updates disabled", act_options, device_act, NULL},
	{"device", "unforce", "ID [--if-rev N]", 1, 1,
	 "no longer", act_options, device_act, NULL},
	{"device", "hold", "ID [--if-rev N]", 1, 1,
	 "offer it nothing until unhold", act_options, device_act, NULL},
	{"device", "unhold", "ID [--if-rev N]", 1, 1,
	 "the cause is removed: try again", act_options, device_act, NULL},
	{"device", "disable", "ID [--if-rev N]", 1, 1,
	 "refuse it until enable; its sessions and attempt end", act_options, device_act, NULL},
	{"device", "enable", "ID [--if-rev N]", 1, 1,
	 "let it come back", act_options, device_act, NULL},
	{"device", "remove", "ID [--if-rev N]", 1, 1,
	 "delete a device; its open attempt is cancelled", act_options, device_remove, NULL},

	{"query", "save", "NAME FILTER... [--if-rev N]", 2, ARGS_MAX,
	 "a filter of devices under a name", act_options, query_save, filter_text},
	{"query", "list", "", 0, 0,
	 "all saved queries", NULL, query_list, NULL},
	{"query", "show", "QUERY", 1, 1,
	 "one saved query", NULL, query_show, NULL},
	{"query", "remove", "QUERY [--if-rev N]", 1, 1,
	 "delete it", act_options, query_remove, NULL},

	{"attempt", "list", "[--device ID] [--product P [--release V]] [--verdict W] [--charged] [--open] [--since T] [--until T] [--limit N]", 0, 0,
	 "attempts, newest first", attempt_list_options, attempt_list, NULL},
	{"attempt", "show", "ATTEMPT", 1, 1,
	 "how far it came, what proves it, what went wrong", NULL, attempt_show, NULL},
	{"attempt", "cancel", "ATTEMPT [--if-rev N]", 1, 1,
	 "end it, if it is not too late", act_options, attempt_cancel, NULL},
	{"attempt", "watch", "ATTEMPT|DEVICE [--wait]", 1, 1,
	 "follow it to its verdict", attempt_watch_options, attempt_watch, watch_text},

	{"event", "list", "[--after N] [--device ID] [--attempt A] [--topic T] [--limit N]", 0, 0,
	 "what has happened", event_list_options, event_list, NULL},
	{"event", "follow", "[--after N] [--device ID] [--attempt A] [--topic T]...", 0, 0,
	 "what happens, as it happens", event_follow_options, event_follow, follow_text},

	{"hook", "add", "NAME URL [--topic T]... [--product P]... [--batch N] [--secret-file F] [--after N]", 2, 2,
	 "send events to a web server", hook_add_options, hook_add, hook_text},
	{"hook", "list", "", 0, 0,
	 "all hooks, and how they do", NULL, hook_list, NULL},
	{"hook", "show", "NAME", 1, 1,
	 "one hook", NULL, hook_show, NULL},
	{"hook", "set", "NAME [--url URL] [--topic T]... [--product P]... [--batch N] [--secret-file F | --new-secret] [--if-rev N]", 1, 1,
	 "change a hook", hook_set_options, hook_set, NULL},
	{"hook", "test", "NAME", 1, 1,
	 "send it a ping now", NULL, hook_test, NULL},
	{"hook", "pause", "NAME [--if-rev N]", 1, 1,
	 "send it nothing until resume", act_options, hook_state, NULL},
	{"hook", "resume", "NAME [--if-rev N]", 1, 1,
	 "go on where it stood, at once", act_options, hook_state, NULL},
	{"hook", "remove", "NAME [--if-rev N]", 1, 1,
	 "delete a hook, and what was put aside of it", act_options, hook_remove, NULL},
	{"hook", "dead", "NAME", 1, 1,
	 "messages that were put aside", NULL, hook_dead, dead_text},
	{"hook", "retry", "NAME ID|all", 2, 2,
	 "send what was put aside once more", NULL, hook_retry, NULL},
	{"hook", "drop", "NAME ID|all", 2, 2,
	 "forget what was put aside", NULL, hook_drop, NULL},

	{"audit", "list", "[--object X] [--limit N]", 0, 0,
	 "who did what, and when", audit_list_options, audit_list, NULL},
	{"audit", "verify", "[--known N:HASH | --file F [--head N:HASH]]", 0, 0,
	 "is the log, or its export, as it was written?", audit_verify_options, audit_verify, verify_text},
	{"audit", "export", "[--since T] [--until T] [--object X]", 0, 0,
	 "the log with its hashes, for an auditor", audit_export_options, audit_export, audit_export_text},
	{"audit", "prune", "FILE", 1, 1,
	 "take the rows of an export out of the log", NULL, audit_prune, audit_prune_text},

	{"explain", NULL, "DEVICE | rollout PRODUCT ROLLOUT | release PRODUCT VERSION", 1, 3,
	 "in plain words: why it stands where it stands, what to do", NULL, explain, explain_text},
	{"backup", NULL, "FILE", 1, 1,
	 "write a copy of the database, while the server runs", NULL, server_backup, backup_text},
	{"status", NULL, "", 0, 0,
	 "how the server is", NULL, server_status, NULL},
	{"version", NULL, "", 0, 0,
	 "versions of this program and of the server", NULL, show_version, NULL},
	{"help", NULL, "[NOUN [VERB]]", 0, 2,
	 "this text, or that of a noun or command", NULL, show_help, NULL},
	/* Without help it is nobody's but the completion's. */
	{"complete", NULL, "NOUN [PREFIX [PRODUCT]]", 1, 3,
	 NULL, NULL, complete_names, NULL},
	{NULL, NULL, NULL, 0, 0, NULL, NULL, NULL, NULL},
};
/* clang-format on */
