/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns what the environment asked for: a copy, made once, before the server can overwrite it. */
#include "config.h"

#include <netinet/in.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../common/raw.h"
#include "memory.h"

#define DEFAULT_WEIGHT 100
#define QUOTED_MAX     64 /* characters of a bad value that a message repeats */

#ifndef GRND_INSECURE /* Linux 5.6: never blocks, not even early at boot */
#define GRND_INSECURE 4
#endif

enum variable { PORTS, LABEL, MODE, SOCKET, STRICT, LOG, INSTANCE, WARNED, VARIABLES };

/* Arrays rather than pointers: a table without relocations costs nothing when a process starts. */
static const char variable_names[VARIABLES][9] = {
	[PORTS] = "PORTS",   [LABEL] = "LABEL", [MODE] = "MODE",	 [SOCKET] = "SOCKET",
	[STRICT] = "STRICT", [LOG] = "LOG",	[INSTANCE] = "INSTANCE", [WARNED] = "WARNED",
};

enum state { UNREAD, READING, UNUSED, IN_USE };

struct sks_memory *sks_memory;
static struct sks_config *config; /* in it */
static _Atomic enum state state;

/*
 * The value of NAME in SKSTEER_NAME=value, or NULL. Not getenv(3): programs define their own
 * (bash does), and this runs before they are ready for it.
 */
static void read_environment(const char *values[VARIABLES])
{
	for (char **entry = environ; entry && *entry; entry++) {
		const char *name = *entry + strlen("SKSTEER_");

		if (strncmp(*entry, "SKSTEER_", strlen("SKSTEER_")) != 0)
			continue;
		for (int i = 0; i < VARIABLES; i++) {
			size_t len = strnlen(variable_names[i], sizeof(variable_names[i]));

			if (!values[i] && !strncmp(name, variable_names[i], len) &&
			    name[len] == '=')
				values[i] = name + len + 1;
		}
	}
}

static bool is_set(const char *value)
{
	return value && *value;
}

/* SKSTEER_NAME "value" what; the first such text stays. */
static void complain(char *ret_text, size_t size, enum variable variable, const char *value,
		     const char *what)
{
	struct sks_text text;

	if (*ret_text)
		return;
	sks_text_init(&text, ret_text, size);
	sks_text_str(&text, "SKSTEER_");
	sks_text_strn(&text, variable_names[variable], sizeof(variable_names[variable]));
	if (value) {
		sks_text_str(&text, " \"");
		sks_text_strn(&text, value, QUOTED_MAX);
		sks_text_str(&text, strnlen(value, QUOTED_MAX + 1) > QUOTED_MAX ? "...\"" : "\"");
	}
	sks_text_str(&text, what);
}

static void refuse(enum variable variable, const char *value, const char *what)
{
	complain(config->error, sizeof(config->error), variable, value, what);
}

static void ignore(enum variable variable, const char *value, const char *what)
{
	complain(config->warning, sizeof(config->warning), variable, value, what);
}

static void check_spec(void)
{
	struct sks_spec_cursor cursor = { .text = config->spec, .len = config->spec_len };
	struct sks_spec_error error;
	struct sks_target target;
	int more;

	while ((more = sks_spec_next(&cursor, &target, &error)) > 0) {
		uint8_t proto = target.proto == IPPROTO_UDP ? SKS_UDP : SKS_TCP;

		if ((uint32_t)target.last - target.first >= SKS_RANGE_EXCLUSIVE)
			config->wide |= proto;
		if (target.listener_port)
			config->named |= proto;
		else
			config->unnamed |= proto;
	}
	if (more < 0) {
		struct sks_text text;

		sks_text_init(&text, config->error, sizeof(config->error));
		sks_text_str(&text, "SKSTEER_PORTS: ");
		sks_text_str(&text, error.text);
	}
}

static void set_spec(const char *value, bool has_label)
{
	size_t len;

	if (!is_set(value)) {
		/* A label alone takes the first listeners; an instance alone none. */
		config->unnamed = has_label ? SKS_TCP | SKS_UDP : 0;
		return;
	}
	len = strnlen(value, SKS_SPEC_MAX + 1);
	if (len > SKS_SPEC_MAX) {
		refuse(PORTS, NULL, ": longer than 16384 bytes");
		return;
	}
	memcpy(config->spec, value, len);
	config->spec_len = (uint32_t)len;
	check_spec();
}

static void set_label(const char *value)
{
	if (!is_set(value))
		return;
	if (sks_label_is_valid(value))
		memcpy(config->label, value, strnlen(value, SKS_LABEL_MAX));
	else
		refuse(LABEL, value, ": a label is [A-Za-z0-9][A-Za-z0-9_.-]{0,62}");
}

static bool parse_mode(const char *value)
{
	static const char names[][8] = {
		[SKS_MODE_REFUSE] = "refuse",	[SKS_MODE_REPLACE] = "replace",
		[SKS_MODE_JOIN] = "join",	[SKS_MODE_SHARE] = "share",
		[SKS_MODE_STANDBY] = "standby",
	};
	uint32_t weight = DEFAULT_WEIGHT;
	uint16_t mode = SKS_MODE_REFUSE;

	if (!strncmp(value, "join=", 5)) {
		if (sks_uint_parse(value + 5, strlen(value + 5), UINT16_MAX, &weight))
			return false;
		mode = SKS_MODE_JOIN;
	} else {
		while (strncmp(value, names[mode], sizeof(names[mode])) != 0)
			if (mode++ == SKS_MODE_STANDBY)
				return false;
	}
	config->mode = mode;
	config->weight = mode == SKS_MODE_JOIN ? (uint16_t)weight : 0;
	return true;
}

static void set_mode(const char *value)
{
	if (!is_set(value))
		return;
	if (!parse_mode(value))
		refuse(MODE, value,
		       ": not refuse, replace, standby, join, join=0 to join=65535, or share");
	else if (config->mode != SKS_MODE_REFUSE && !config->label[0])
		refuse(MODE, value,
		       ": only a service with SKSTEER_LABEL can have another instance");
	if (!config->spec_len &&
	    (config->mode == SKS_MODE_REPLACE || config->mode == SKS_MODE_STANDBY))
		config->every = SKS_TCP;
}

static void set_socket(const char *value)
{
	const char *path = is_set(value) ? value : SKS_SOCKET_PATH;

	memcpy(config->socket, path, strnlen(path, sizeof(config->socket) - 1));
}

static void set_strict(const char *value)
{
	config->strict = value && !strcmp(value, "1");
	if (is_set(value) && !config->strict && strcmp(value, "0") != 0)
		ignore(STRICT, value, ": only 1 is strict; ignored");
}

static void set_log(const char *value)
{
	static const char levels[][6] = { "error", "warn", "info", "debug" };

	config->log.level = SKS_WARN;
	if (is_set(value) && *value == '/') {
		size_t len = strnlen(value, sizeof(config->log.path));

		/* Who names a file wants to read there what went well, too. */
		config->log.level = SKS_INFO;
		if (len < sizeof(config->log.path))
			memcpy(config->log.path, value, len);
		else
			ignore(LOG, value, ": longer than a path can be; ignored");
	} else if (is_set(value)) {
		unsigned int i = 0;

		while (i <= SKS_DEBUG && strcmp(value, levels[i]) != 0)
			i++;
		if (i <= SKS_DEBUG)
			config->log.level = i;
		else
			ignore(LOG, value,
			       ": not error, warn, info, debug or an absolute path; ignored");
	}
	if (!config->log.path[0])
		sks_log_note_stderr(&config->log);
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 'a' ^ 'A';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool parse_instance(const char *value, uint8_t ret_instance[SKS_INSTANCE_SIZE])
{
	for (size_t i = 0; i < SKS_INSTANCE_SIZE; i++) {
		int high = hex_digit(value[2 * i]);
		int low = high < 0 ? -1 : hex_digit(value[2 * i + 1]);

		if (low < 0)
			return false;
		ret_instance[i] = (uint8_t)(high << 4 | low);
	}
	return !value[2 * SKS_INSTANCE_SIZE];
}

/* Before any fork, so that all processes of this server are one instance. */
static void set_instance(const char *value)
{
	int64_t now;
	long pid;

	if (is_set(value) && parse_instance(value, config->instance))
		return;
	if (is_set(value))
		ignore(INSTANCE, value, ": not 32 hexadecimal digits; ignored");
	if (sks_raw(SYS_getrandom, config->instance, sizeof(config->instance), GRND_INSECURE) ==
	    (long)sizeof(config->instance))
		return;
	/* A sandbox without getrandom(2): it has to be unique among the living, no secret. */
	now = sks_now_us();
	pid = sks_raw(SYS_getpid);
	memcpy(config->instance, &now, sizeof(now));
	memcpy(config->instance + sizeof(now), &pid, sizeof(pid));
}

/* False: no memory. Then the process goes on without us, as where ld.so could not map a library. */
static bool map_memory(void)
{
	sks_memory = sks_memory_map(sizeof(*sks_memory), MAP_PRIVATE);
	if (!sks_memory)
		return false;
	config = &sks_memory->config;
	return true;
}

static bool copy_environment(void)
{
	const char *values[VARIABLES] = { NULL };

	read_environment(values);
	if (!is_set(values[PORTS]) && !is_set(values[LABEL]) && !is_set(values[INSTANCE]))
		return false;
	if (!map_memory())
		return false;
	set_spec(values[PORTS], is_set(values[LABEL]));
	set_label(values[LABEL]);
	set_mode(values[MODE]);
	set_socket(values[SOCKET]);
	set_strict(values[STRICT]);
	set_log(values[LOG]);
	set_instance(values[INSTANCE]);
	config->told = values[WARNED] && !strcmp(values[WARNED], "1");
	return true;
}

/*
 * Usually the constructor's doing, but another library's constructor may bind, or clear the
 * environment, before ours runs: so whoever comes first copies. Whoever meets the copying half-way
 * (a second thread that early, or a signal handler within it) passes through: it cannot wait.
 */
const struct sks_config *sks_config_get(void)
{
	enum state seen = state;

	/* A call from .preinit_array comes before libc's own constructor: there is nothing to copy.
	 */
	if (seen == UNREAD && !environ)
		return NULL;
	if (seen == UNREAD && atomic_compare_exchange_strong(&state, &seen, READING))
		state = seen = copy_environment() ? IN_USE : UNUSED;
	return seen == IN_USE ? config : NULL;
}
