/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Owns the fuzzing of the state that is read back from maps. A helper works, is killed, what it has
 * left is damaged or not, the next one takes it up or says that it is damaged, and works on.
 *
 * What nobody has damaged is always taken up. What is refused is not touched. Nothing that is taken
 * up makes the helper, or `status`, read beyond a map or go round for ever.
 */
#include "../../helper/sound.h"
#include "../../helper/space.h"
#include "state_work.h"

#define MAX_STEPS 48 /* more of them are slow, and find no more */

static char dir[] = "/tmp/sksteer-fuzz-XXXXXX";
static struct sks_spaces spaces;

/* --- damage ------------------------------------------------------------------------------------- */

static void damage_trie(struct fuzz_input *input)
{
	struct fake_entry *entry = &fake.trie[fuzz_byte(input) % FAKE_ENTRIES];

	entry->rule = fuzz_byte(input);
	entry->prefix = (struct sks_prefix){ entry->rule & 1 ? AF_INET6 : AF_INET,
					     fuzz_byte(input),
					     { fuzz_byte(input) } };
	entry->dest = fuzz_word(input);
	if ((size_t)(entry - fake.trie) >= fake.n_entries)
		fake.trie[fake.n_entries++ % FAKE_ENTRIES] = *entry;
	if (fake.n_entries > FAKE_ENTRIES)
		fake.n_entries = FAKE_ENTRIES;
}

/* Some bytes of some record: what a number may well be, or anything. */
static void damage(struct fuzz_input *input)
{
	static const uint32_t odd[] = { 0, 1, 2, 63, 64, 255, 256, 65535, 0x7fffffff, UINT32_MAX };
	static const uint8_t maps[] = { SKS_MAP_PORTS,	  SKS_MAP_RULES4,   SKS_MAP_RULES6,
					SKS_MAP_DESTS,	  SKS_MAP_SOCKETS,  SKS_MAP_SLOTS,
					SKS_MAP_GROUPS,	  SKS_MAP_SERVICES, SKS_MAP_BINDINGS,
					SKS_MAP_BINDINGS, SKS_MAP_DESTS,    SKS_MAP_SLOTS };
	uint8_t how = fuzz_byte(input), map = maps[fuzz_byte(input) % sizeof(maps)];
	size_t size = fake_maps[map].size, width = (size_t[]){ 1, 2, 4, 8 }[how & 3];
	size_t record = fuzz_byte(input) % fake.entries[map], at = fuzz_word(input);
	uint64_t value = how & 4 ? odd[fuzz_byte(input) % 10] : fuzz_long(input);

	if (how & 8 && map == SKS_MAP_PORTS) /* of some port */
		at = offsetof(struct sks_ports, table) + 2 * (size_t)fuzz_byte(input);
	at = at % (size - width + 1) / width * width;
	memcpy(fake.memory[map] + record * size + at, &value, width);
}

static void damage_size(struct fuzz_input *input)
{
	int map = fuzz_byte(input) % SKS_MAP_COUNT;
	uint32_t entries = 1u + fuzz_byte(input);

	if (entries <= fake_maps[map].max)
		fake_resize(map, entries);
}

/* True: something was. */
static bool damage_it(struct fuzz_input *input)
{
	uint8_t n = fuzz_byte(input) % 8;

	for (uint8_t i = 0; i < n; i++) {
		uint8_t what = fuzz_byte(input);

		if (what < 8)
			damage_size(input);
		else if (what < 24)
			damage_trie(input);
		else
			damage(input);
	}
	return n;
}

/* --- the next helper ---------------------------------------------------------------------------- */

/* As sks_spaces_open(), which would mount a bpffs. */
static void start(void)
{
	spaces = (struct sks_spaces){};
	memcpy(spaces.dir, dir, sizeof(dir));
}

static int ask_status(void)
{
	struct json_object *report;
	char why[SKS_PINS_WHYLEN];
	int err = sks_report_pins(dir, FAKE_INO, &report, why);

	if (!err)
		json_object_put(report);
	return err;
}

static void take_up(bool damaged, bool asked)
{
	static struct fake_image before;
	char what[SKS_SOUND_WHYLEN], why[SKS_PINS_WHYLEN];
	struct sks_maps maps;
	int err;

	CHECK(!sks_bpf_open(dir, true, &maps));
	err = sks_sound(&maps, what);
	if (err)
		CHECK(err == -EUCLEAN && damaged && *what);
	else if (asked) /* else it takes its time to be sure */
		CHECK(!ask_status());
	fake_save(&before);
	start();
	CHECK(!sks_spaces_take_up(&spaces));
	space = spaces.n ? spaces.spaces[0] : NULL;
	CHECK(space ? !err : damaged);
	if (space) {
		tell();
	} else {
		CHECK(fake_is(&before));
		CHECK(sks_spaces_are_unusable(&spaces, FAKE_INO, why) && strstr(why, "damaged"));
	}
}

/* Killed at that call, or now. */
static void restart(struct fuzz_input *input)
{
	bool damaged;

	sks_spaces_close(&spaces);
	if (fake_killed)
		fake_restore(&fake_corpse);
	fake_killed = false;
	fake_kill_at = 0;
	damaged = damage_it(input);
	take_up(damaged, fuzz_byte(input) & 1);
}

/* bpffs is played by an empty directory. */
static void remove_pins(void)
{
	char path[sizeof(dir) + 16];

	(void)snprintf(path, sizeof(path), "%s/net-%u", dir, FAKE_INO);
	(void)rmdir(path);
}

static void remove_dir(void)
{
	remove_pins();
	(void)rmdir(dir);
}

static void begin(void)
{
	static bool begun;

	if (!begun) {
		CHECK(mkdtemp(dir) && !atexit(remove_dir));
		begun = true;
	}
	remove_pins();
	fake_reset();
	fake_kill_at = 0;
	fake_killed = false;
	next_socket = 0;
	now_ms = 1;
	start();
	CHECK(!sks_spaces_get(&spaces, -1, FAKE_INO, &space));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input input = { data, size };

	begin();
	for (int i = 0; space && input.size && i < MAX_STEPS; i++) {
		uint8_t what = fuzz_byte(&input);

		if (what >= 240) { /* at one of the next calls */
			fake_kill_at = fake_calls + 1 + fuzz_byte(&input);
			continue;
		}
		if (what >= 200 || fake_killed)
			restart(&input);
		else
			work(&input, what);
	}
	if (space)
		restart(&input);
	sks_spaces_close(&spaces);
	return 0;
}
