/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Owns the fuzzing of a report as sksteerctl shows it: whatever another program at the helper's
 * socket sends, the terminal gets printable text.
 */
#include "../../helper/ctl/field.h"
#include "../../helper/ctl/draw.h"
#include "fuzz.h"

static void show(const struct json_object *services)
{
	char *text = NULL;
	size_t size = 0;
	FILE *to = open_memstream(&text, &size);

	CHECK(to && !sks_draw_services(to, services) && !fclose(to));
	for (size_t i = 0; i < size; i++)
		CHECK(text[i] == '\n' || (text[i] >= ' ' && text[i] <= '~'));
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct json_tokener *tokener = json_tokener_new();
	struct json_object *report;
	const struct json_object *services;

	CHECK(tokener);
	report = json_tokener_parse_ex(tokener, (const char *)data, (int)size);
	json_tokener_free(tokener);
	if (json_object_is_type(report, json_type_object)) {
		services = sks_field(report, "services");
		if (json_object_is_type(services, json_type_array))
			show(services);
	}
	json_object_put(report);
	return 0;
}
