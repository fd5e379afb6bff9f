/* SPDX-License-Identifier: Apache-2.0 */
#include "core/image.h"

#include <string.h>

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))
#define FORMAT_WORD(name, word, text) word,
#define FORMAT_TEXT(name, word, text) text,
#define SIGNATURE_WORD(name, word) word,

static const char *const format_words[] = {IMAGE_FORMAT_LIST(FORMAT_WORD)};
static const char *const format_texts[] = {IMAGE_FORMAT_LIST(FORMAT_TEXT)};
static const char *const signature_words[] = {IMAGE_SIGNATURE_LIST(SIGNATURE_WORD)};

const char *image_format_name(enum image_format format)
{
	return (size_t)format < COUNT(format_words) ? format_words[format] : "unknown";
}

const char *image_format_text(enum image_format format)
{
	return (size_t)format < COUNT(format_texts) ? format_texts[format] : "unknown";
}

int image_format_from_name(const char *name, enum image_format *ret_format)
{
	for (size_t i = 0; i < COUNT(format_words); i++) {
		if (strcmp(format_words[i], name) == 0) {
			*ret_format = (enum image_format)i;
			return 0;
		}
	}
	return ERR_INVAL;
}

const char *image_signature_name(unsigned bit)
{
	return bit < COUNT(signature_words) ? signature_words[bit] : NULL;
}

char *image_signatures_text(uint32_t signatures, char dst[128])
{
	struct buf b = buf_writer(dst, 128);

	for (unsigned i = 0; i < COUNT(signature_words); i++) {
		if (!(signatures & 1U << i))
			continue;
		if (b.pos)
			buf_put_str(&b, " ");
		buf_put_str(&b, signature_words[i]);
	}
	return buf_cstr(&b);
}

int image_signatures_from_text(const char *text, uint32_t *ret_signatures)
{
	uint32_t found = 0;

	while (*text) {
		size_t len = strcspn(text, " ");
		unsigned i = 0;
		while (i < COUNT(signature_words) && (strlen(signature_words[i]) != len ||
						      memcmp(signature_words[i], text, len) != 0))
			i++;
		if (i == COUNT(signature_words))
			return ERR_INVAL;
		found |= 1U << i;
		text += len + strspn(text + len, " ");
	}
	*ret_signatures = found;
	return 0;
}

/* ---- labels ---- */

/* One number at *at, which moves behind it. */
static bool number_take(const char **at, uint64_t *ret_number)
{
	uint64_t n = 0;
	const char *p = *at;

	while (*p >= '0' && *p <= '9' && n <= UINT32_MAX)
		n = n * 10 + (uint64_t)(*p++ - '0');
	if (p == *at || n > UINT32_MAX)
		return false;
	*at = p;
	*ret_number = n;
	return true;
}

/* "1.2.3", "1.2.3+4", "1.2.3.4", each with or without a "v". */
static bool numbers_parse(const char *text, uint64_t number[4])
{
	memset(number, 0, 4 * sizeof(*number));
	if (*text == 'v' || *text == 'V')
		text++;
	for (unsigned i = 0; i < 4; i++) {
		if (i == 3 && *text == 0)
			return true;
		if (i && *text != '.' && (i < 3 || *text != '+'))
			return false;
		text += i > 0;
		if (!number_take(&text, &number[i]))
			return false;
	}
	return *text == 0;
}

bool image_label_fits(const struct image_facts *facts, const char *label)
{
	uint64_t image[4], given[4];

	if (!facts->version[0] || strcmp(facts->version, label) == 0)
		return true;
	return facts->format == IMAGE_MCUBOOT && numbers_parse(facts->version, image) &&
	       numbers_parse(label, given) && memcmp(image, given, sizeof(image)) == 0;
}

/* ---- hardware ---- */

/* Words of chips and boards that images name, by kind: only what is of the same kind can differ.
 * Families of one maker, as "nrf52" of "nrf52840", are not here: one may be the other. */
static const struct {
	unsigned kind;
	const char *word;
} hardware_words[] = {
	{1, "esp32"},	 {1, "esp32s2"}, {1, "esp32s3"},  {1, "esp32c2"},   {1, "esp32c3"},
	{1, "esp32c5"},	 {1, "esp32c6"}, {1, "esp32c61"}, {1, "esp32h2"},   {1, "esp32p4"},
	{1, "rp2040"},	 {1, "rp2350"},	 {1, "nrf52840"}, {1, "nrf52833"},  {1, "samd21"},
	{1, "samd51"},	 {1, "stm32f1"}, {1, "stm32f4"},  {1, "stm32l4"},   {2, "core"},
	{2, "photon"},	 {2, "p1"},	 {2, "electron"}, {2, "argon"},	    {2, "boron"},
	{2, "xenon"},	 {2, "esomx"},	 {2, "bsom"},	  {2, "b5som"},	    {2, "tracker"},
	{2, "trackerm"}, {2, "p2"},	 {2, "msom"},	  {2, "electron2"},
};

static unsigned hardware_kind(const char *word)
{
	for (size_t i = 0; i < COUNT(hardware_words); i++)
		if (strcmp(hardware_words[i].word, word) == 0)
			return hardware_words[i].kind;
	return 0;
}

/* Appends the next part of a name in lower case; false at its end. */
static bool hardware_part(const char **at, char *word, size_t cap)
{
	size_t len = strlen(word);

	*at += strspn(*at, "-_.:,;+ ");
	if (!**at)
		return false;
	for (size_t n = strcspn(*at, "-_.:,;+ "); n; n--, (*at)++) {
		char c = **at;
		if (len + 1 < cap)
			word[len++] = (char)(c >= 'A' && c <= 'Z' ? c + 32 : c);
	}
	word[len] = 0;
	return true;
}

bool image_hardware_fits(const struct image_facts *facts, const char *hardware)
{
	unsigned kind = hardware_kind(facts->hardware);
	char word[LIMIT_HARDWARE + 1] = "", two[LIMIT_HARDWARE + 1];
	bool differs = false;

	while (kind && hardware_part(&hardware, word, sizeof(word))) {
		const char *behind = hardware;
		(void)buf_copy_str(two, sizeof(two), word);
		if (hardware_part(&behind, two, sizeof(two)) && hardware_kind(two)) {
			memcpy(word, two, sizeof(word)); /* ESP32-C3 is one name */
			hardware = behind;
		}
		if (strcmp(word, facts->hardware) == 0)
			return true;
		if (hardware_kind(word) == kind)
			differs = true;
		word[0] = 0;
	}
	return !differs;
}
