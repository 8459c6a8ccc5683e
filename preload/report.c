/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns what the library says to a person: which event becomes which line, at which level. */
#include "report.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include "../common/raw.h"
#include "moved.h"

#define OWN_PORT   "UDP answers leave from the server's own port"
#define SPEC_SHOWN 200 /* characters of the spec in a line */

/* Where a failure is fatal to the bind or listen it is an error, else the server serves on. */
static enum sks_level severity(const struct sks_config *config)
{
	return config->strict ? SKS_ERROR : SKS_WARN;
}

static void append_spec(struct sks_text *text, const struct sks_config *config)
{
	if (!config->spec_len) {
		sks_text_str(text, "label ");
		sks_text_str(text, config->label);
		return;
	}
	sks_text_strn(text, config->spec, SPEC_SHOWN);
	if (config->spec_len > SPEC_SHOWN)
		sks_text_str(text, "...");
}

void sks_report_config(const struct sks_config *config)
{
	struct sks_line line;

	if (config->warning[0]) {
		sks_line_start(&line);
		sks_text_str(&line.text, config->warning);
		sks_line_write(&line, &config->log, SKS_WARN);
	}
	if (config->error[0]) {
		sks_line_start(&line);
		sks_text_str(&line.text, config->error);
		sks_text_str(&line.text, "; nothing is steered");
		sks_line_write(&line, &config->log, severity(config));
	}
}

/* What comes before and after the path of the helper's socket. */
void sks_report_why(struct sks_text *text, const char *path, int err, uint16_t theirs)
{
	const char *before = "cannot ask the helper at ", *after = "";

	if (theirs) {
		sks_wire_mismatch(text, path, theirs, "libsksteer.so");
		return;
	}
	switch (err) {
	case -ENOENT:
	case -ENOTDIR:
	case -ECONNREFUSED:
		before = "no helper at ";
		break;
	case -EACCES:
	case -EPERM:
		before = "no access to the helper at ";
		break;
	case -ETIMEDOUT:
		after = ", which does not answer";
		break;
	case -ECONNRESET:
		after = ", which went away";
		break;
	case -EPROTO:
	case -EPROTOTYPE:
		after = ", which does not speak this version";
		break;
	case -EMFILE:
	case -ENFILE:
		after = ": no free descriptor";
		break;
	case -ENAMETOOLONG:
		after = ": the path is too long for a socket";
		break;
	default:
		after = NULL;
	}
	sks_text_str(text, before);
	sks_text_str(text, path);
	if (after) {
		sks_text_str(text, after);
	} else {
		sks_text_str(text, ": errno ");
		sks_text_int(text, -err);
	}
}

void sks_report_silence(const struct sks_config *config, enum sks_op op, int err, uint16_t theirs)
{
	bool absent = err == -ENOENT || err == -ENOTDIR || err == -ECONNREFUSED;
	struct sks_line line;

	if (absent && config->told)
		return;
	sks_line_start(&line);
	sks_report_why(&line.text, config->socket, err, theirs);
	sks_text_str(&line.text, ": ");
	if (op == SKS_OP_OPEN) {
		sks_text_str(&line.text, "bind(2) stays denied");
	} else if (op == SKS_OP_REPLY_SOCKET) {
		sks_text_str(&line.text, OWN_PORT);
	} else {
		append_spec(&line.text, config);
		sks_text_str(&line.text, " not steered");
	}
	if (absent)
		sks_text_str(&line.text, " (start one as root: sksteerd)");
	else if (err == -ETIMEDOUT)
		sks_text_str(&line.text, op == SKS_OP_REPLY_SOCKET
						 ? " (this process does not ask again for 10 s)"
						 : " (this process does not ask again for 60 s)");
	sks_line_write(&line, &config->log, severity(config));
}

static void append_listener(struct sks_text *text, int fd)
{
	struct sockaddr_storage addr;
	char buf[SKS_PREFIX_STRLEN];
	struct sks_prefix prefix;
	socklen_t len;
	uint16_t port;
	int type = 0;
	socklen_t type_len = sizeof(type);

	if (!sks_moved_name(fd, &addr, &len) ||
	    sks_raw(SYS_getsockopt, fd, SOL_SOCKET, SO_TYPE, &type, &type_len) ||
	    sks_prefix_from_sockaddr((struct sockaddr *)&addr, len, &prefix, &port))
		return;
	prefix.len = (uint8_t)sks_family_bits(prefix.family); /* 0.0.0.0 as such, not 0.0.0.0/0 */
	sks_text_str(text, sks_prefix_format(&prefix, buf));
	sks_text_char(text, ':');
	sks_text_uint(text, port);
	sks_text_str(text, type == SOCK_DGRAM ? "/udp " : "/tcp ");
}

static void report_success(const struct sks_config *config, int fd)
{
	struct sks_line line;

	if (!sks_log_wants(&config->log, SKS_INFO))
		return; /* before append_listener() asks the kernel */
	sks_line_start(&line);
	append_listener(&line.text, fd);
	sks_text_str(&line.text, "steered: ");
	append_spec(&line.text, config);
	sks_line_write(&line, &config->log, SKS_INFO);
}

void sks_report_reply(const struct sks_config *config, enum sks_op op, int fd,
		      const struct sks_reply *reply)
{
	struct sks_line line;

	if (reply->err == 0 && !reply->text[0]) {
		if (op == SKS_OP_REGISTER && reply->steered)
			report_success(config, fd);
		return;
	}
	sks_line_start(&line);
	if (reply->text[0]) {
		sks_text_str(&line.text, reply->text);
		if (op == SKS_OP_REPLY_SOCKET && reply->err)
			sks_text_str(&line.text, ": " OWN_PORT);
	} else if (op == SKS_OP_OPEN) {
		sks_text_str(&line.text, "bind(2) stays denied by the helper: errno ");
		sks_text_int(&line.text, -reply->err);
	} else {
		append_spec(&line.text, config);
		sks_text_str(&line.text, " refused by the helper: errno ");
		sks_text_int(&line.text, -reply->err);
	}
	sks_line_write(&line, &config->log, reply->err ? severity(config) : SKS_WARN);
}

void sks_report_stranded(const struct sks_config *config, uint16_t wanted)
{
	struct sks_line line;

	sks_line_start(&line);
	sks_text_str(&line.text, "port ");
	sks_text_uint(&line.text, wanted);
	sks_text_str(&line.text, " is not taken over from label ");
	sks_text_str(&line.text, config->label);
	sks_text_str(&line.text, "'s other instance, so listen(2) fails");
	sks_line_write(&line, &config->log, SKS_ERROR);
}

void sks_report_moved(const struct sks_config *config, uint16_t wanted, uint16_t at)
{
	struct sks_line line;

	if (!sks_log_wants(&config->log, SKS_INFO))
		return;
	sks_line_start(&line);
	sks_text_str(&line.text, "port ");
	sks_text_uint(&line.text, wanted);
	sks_text_str(&line.text, " is another instance's of label ");
	sks_text_str(&line.text, config->label);
	sks_text_str(&line.text, ": bound to port ");
	sks_text_uint(&line.text, at);
	sks_text_str(&line.text, " instead");
	sks_line_write(&line, &config->log, SKS_INFO);
}

void sks_report_unfit(const struct sks_config *config)
{
	struct sks_line line;

	sks_line_start(&line);
	sks_text_str(&line.text, "the helper at ");
	sks_text_str(&line.text, config->socket);
	sks_text_str(&line.text, " sent no socket of the server's kind to share: label ");
	sks_text_str(&line.text, config->label);
	sks_text_str(&line.text, " is not shared");
	sks_line_write(&line, &config->log, severity(config));
}

void sks_report_sandbox(const struct sks_config *config)
{
	struct sks_line line;

	sks_line_start(&line);
	sks_text_str(&line.text, "the server goes into a sandbox: from here on " OWN_PORT);
	sks_line_write(&line, &config->log, SKS_WARN);
}
