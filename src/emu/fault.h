/* SPDX-License-Identifier: Apache-2.0
 *
 * The catalogue of things that go wrong on purpose: names, arguments and help of --fault.
 * Parsing only; what a fault does lives where it happens (boot.c, update.c, unit.c, link.c).
 * "Once" faults are counted by the unit, by their place in the list, so that the same fault
 * may be given several times (power-cut at many bytes).
 */
#ifndef EMU_FAULT_H
#define EMU_FAULT_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* X(NAME, protocols, word, argument kind, argument name or words, help) */
#define EMU_FAULT_LIST(X)                                                                          \
	X(FS_FULL, BOTH, "fs-full", UINT, "BLOCKS",                                                \
	  "user logs fill the file system up to BLOCKS free blocks: below 3 the record that\n"     \
	  "tells the boot loader to flash is lost, silently, at write or at close. Undone by\n"    \
	  "SIGUSR1, by a file fs-free-now in the state folder, or by a run without it")            \
	X(BOOTLOADER_REJECT, BOTH, "bootloader-reject", NONE, "",                                  \
	  "the boot loader refuses the staged image and says so in the last-attempt record")       \
	X(CACHED, NATIVE, "cached", NONE, "",                                                      \
	  "an old agent without `fresh': keeps a downloaded image and says verified again\n"       \
	  "without downloading")                                                                   \
	X(LIAR, BOTH, "liar", WORD, "old-image|no-reboot",                                         \
	  "old-image: never installs, reboots, goes on claiming verified and applying;\n"          \
	  "no-reboot: claims the new version and digest in the same boot")                         \
	X(UPDATES_DISABLED, NATIVE, "updates-disabled", NONE, "",                                  \
	  "the application has disabled updates: refuses unless the directive says force")         \
	X(DEFER, NATIVE, "defer", UINT, "S",                                                       \
	  "defers updates until S seconds after the first offer")                                  \
	X(NEVER_REBOOT, BOTH, "never-reboot", NONE, "",                                            \
	  "resets are blocked: stays in the same boot after applying and checks in")               \
	X(NEVER_RETURN, BOTH, "never-return", NONE, "", "silent for ever after applying")          \
	X(CRASH_LOOP, BOTH, "crash-loop", UINT_WORD, "N[,revert]",                                 \
	  "the new image panics N times, each a boot that reports, then stays or reverts")         \
	X(ROLLBACK_AFTER, BOTH, "rollback-after", UINT, "S",                                       \
	  "S seconds after its boot the new image goes back to the old one")                       \
	X(WRONG_LABEL, BOTH, "wrong-label", OPT_TEXT, "TEXT",                                      \
	  "an updated image reports TEXT (default `mislabelled') as its version")                  \
	X(WRONG_DIGEST, NATIVE, "wrong-digest", NONE, "",                                          \
	  "an updated image reports another digest")                                               \
	X(POWER_CUT, BOTH, "power-cut", UINT, "BYTE",                                              \
	  "once: RAM is lost when BYTE bytes of a download are there")                             \
	X(POWER_LOSS, BOTH, "power-loss", UINT, "S",                                               \
	  "again and again, at random, every S seconds on average: RAM is lost")                   \
	X(BROWN_OUT, BOTH, "brown-out", WORD, "before|after",                                      \
	  "once: resets before or after the hand-over to the boot loader")                         \
	X(BAD_FLASH, BOTH, "bad-flash", UINT, "OFFSET",                                            \
	  "the byte at OFFSET of a downloaded image reads back wrong")                             \
	X(CLONE, NATIVE, "clone", NONE, "",                                                        \
	  "a second unit with the same key reports the old version; both handshake for each\n"     \
	  "check-in")                                                                              \
	X(OLD_BOOT, NATIVE, "old-boot", NONE, "",                                                  \
	  "after a boot's first report a late copy of the boot before's report is sent")           \
	X(NO_GATE_ANSWER, NATIVE, "no-gate-answer", OPT_UINT, "N",                                 \
	  "the first N (default 1) answers to `applying' are lost after the server sent them")     \
	X(NO_CONFIRM, BOTH, "no-confirm", NONE, "", "the new image never becomes permanent")       \
	X(EARLY_RESULT, LWM2M, "early-result", NONE, "",                                           \
	  "says Result 1 at Execute, and never resets")                                            \
	X(WRONG_RESULT, LWM2M, "wrong-result", RESULT, "N",                                        \
	  "Result is N after a hand-over, whatever runs")                                          \
	X(STUCK_STATE, LWM2M, "stuck-state", STATE, "N",                                           \
	  "State stays N, 1 to 3, once it is there")                                               \
	X(BOOT_STATE, LWM2M, "boot-state", STATE, "N", "State is N, 1 to 3, at each boot")         \
	X(NO_FETCH, LWM2M, "no-fetch", NONE, "", "says State 2 without having fetched a byte")     \
	X(FAIL_DOWNLOAD, LWM2M, "fail-download", RESULT, "N",                                      \
	  "a download ends with Result N in its middle")                                           \
	X(NO_NOTIFY, LWM2M, "no-notify", NONE, "", "notifications are lost")                       \
	X(RE_REGISTER, LWM2M, "re-register", UINT, "S",                                            \
	  "a new session and registration every S seconds, without a reset")                       \
	X(DOUBLE_REGISTER, LWM2M, "double-register", NONE, "", "registers twice after each boot")  \
	X(WRONG_NAME, LWM2M, "wrong-name", NONE, "", "registers under another name than its own")  \
	X(LOSS, BOTH, "loss", PERCENT, "P", "link: P percent of datagrams are lost, each way")     \
	X(DUP, BOTH, "dup", PERCENT, "P", "link: P percent of datagrams arrive twice")             \
	X(REORDER, BOTH, "reorder", PERCENT, "P", "link: P percent of datagrams are overtaken")    \
	X(DELAY, BOTH, "delay", UINT, "MS", "link: each datagram takes MS milliseconds, each way") \
	X(REBIND, BOTH, "rebind", UINT, "S",                                                       \
	  "link: a new 5-tuple towards the server every S seconds")

enum emu_fault_kind {
#define EMU_FAULT_ENUM(name, of, word, arg, argname, help) EMU_FAULT_##name,
	EMU_FAULT_LIST(EMU_FAULT_ENUM)
#undef EMU_FAULT_ENUM
		EMU_FAULT_COUNT
};

enum { EMU_FAULTS_MAX = 32 };

/* Which protocols it can happen to. */
enum {
	EMU_FAULT_OF_NATIVE = 1,
	EMU_FAULT_OF_LWM2M = 2,
	EMU_FAULT_OF_BOTH = EMU_FAULT_OF_NATIVE | EMU_FAULT_OF_LWM2M,
};

/* Words of liar and brown-out, in the order of the list. */
enum { EMU_LIAR_OLD_IMAGE = 0, EMU_LIAR_NO_REBOOT = 1 };
enum { EMU_BROWN_OUT_BEFORE = 0, EMU_BROWN_OUT_AFTER = 1 };

struct emu_fault {
	enum emu_fault_kind kind;
	uint64_t value; /* the number, or the index of the word */
	int word;	/* UINT_WORD: 1 when the word follows */
	char text[65];	/* OPT_TEXT */
	/* Of a fleet, to whom; both 0: to all. */
	uint32_t from, to; /* numbers of devices, from 1 on */
	uint32_t percent;
};

struct emu_faults {
	struct emu_fault list[EMU_FAULTS_MAX];
	size_t len;
};

/* Adds "name[:arg][@who]", who being "7", "1-20" or "3%". ERR_NOENT unknown name, ERR_INVAL bad
 * argument, ERR_LIMIT too many. */
int emu_fault_add(struct emu_faults *faults, const char *spec) ERR_CHECK;

/* The devices of a fleet in a random order: each number below `count` once. */
void emu_fault_order(uint32_t *order, uint32_t count, uint64_t seed);
/* Which faults a device of a fleet has, as bits by their place in the list: `index` is its own,
 * `place` the one it has in the random order. Faults of some percent go round in that order, each
 * from where the one before it ended: as long as there are devices enough, none has two of them.
 * However few percent are, they are one device. */
uint32_t emu_fault_deal(const struct emu_faults *faults, uint32_t index, uint32_t place,
			uint32_t count);

/* First fault of that kind among those of `mask`, or NULL. */
const struct emu_fault *emu_fault_find(const struct emu_faults *faults, uint32_t mask,
				       enum emu_fault_kind kind);

unsigned emu_fault_of(enum emu_fault_kind kind);
const char *emu_fault_name(enum emu_fault_kind kind);

/* The form of its argument ("fs-full:BLOCKS"), for errors; NULL for an unknown name. */
const char *emu_fault_usage(const char *spec, char *dst, size_t cap);

/* Prints the catalogue for --help. */
void emu_fault_help(FILE *out);

#endif
