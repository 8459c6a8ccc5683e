/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns text that fits the screen (see flow.h). */
#include "flow.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "spell.h"

#define COLUMNS	    80u
#define MIN_COLUMNS 40u

struct sks_flow sks_flow_for(FILE *to)
{
	const char *none = getenv("NO_COLOR"), *term = getenv("TERM");
	struct sks_flow flow = { .to = to, .width = COLUMNS };
	int fd = fileno(to);
	struct winsize size;

	if (fd < 0 || !isatty(fd))
		return flow;
	flow.colours = !(none && *none) && term && *term && strcmp(term, "dumb") != 0;
	if (!ioctl(fd, TIOCGWINSZ, &size) && size.ws_col)
		flow.width = size.ws_col < MIN_COLUMNS ? MIN_COLUMNS : size.ws_col;
	return flow;
}

void sks_flow_put(struct sks_flow *flow, const char *text, enum sks_colour colour)
{
	static const char *const begins[] = {
		[SKS_BOLD] = "\033[1m",
		[SKS_RED] = "\033[31m",
		[SKS_YELLOW] = "\033[33m",
	};
	bool coloured = flow->colours && colour != SKS_PLAIN;

	if (coloured)
		(void)fputs(begins[colour], flow->to);
	sks_put_safely(flow->to, text);
	if (coloured)
		(void)fputs("\033[0m", flow->to);
	flow->column += strlen(text);
}

void sks_flow_item(struct sks_flow *flow, const char *separator, const char *text,
		   enum sks_colour colour)
{
	int len = (int)strcspn(separator, " "); /* no blanks at the end of a line */

	/* One that is longer than a line is not made shorter by another one. */
	if (flow->column + strlen(separator) + strlen(text) < flow->width ||
	    flow->column <= flow->indent) {
		sks_flow_put(flow, separator, SKS_PLAIN);
	} else {
		(void)fprintf(flow->to, "%.*s\n%*s", len, separator, (int)flow->indent, "");
		flow->column = flow->indent;
	}
	sks_flow_put(flow, text, colour);
}

void sks_flow_pad(struct sks_flow *flow, size_t column)
{
	for (; flow->column < column; flow->column++)
		(void)fputc(' ', flow->to);
}

void sks_flow_end(struct sks_flow *flow)
{
	(void)fputc('\n', flow->to);
	flow->column = flow->indent = 0;
}
