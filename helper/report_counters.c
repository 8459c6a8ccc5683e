// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Owns what a report says of the counters of one service (see report_counters.h). */
#include "report_counters.h"

#include "counter.h"
#include "json.h"

static struct json_object *report_counter(const struct sks_counter *counter)
{
	struct json_object *object = json_object_new_object();

	sks_json_add_number(object, "steered", counter->steered);
	sks_json_add_number(object, "refused", counter->refused);
	sks_json_add_number(object, "errors", sks_counter_errors(counter));
	return object;
}

/* The kernel's errors are negative. */
static struct json_object *report_family(const struct sks_counter *counter)
{
	struct json_object *object = report_counter(counter);
	int64_t last = counter->last_errno;

	sks_json_add_number(object, "last_errno", (uint64_t)(last < 0 ? -last : last));
	return object;
}

static struct json_object *report_part(uint32_t proto, uint32_t family,
				       const struct sks_counter *counter)
{
	static const char *const protocols[] = { [SKS_TCP] = "tcp", [SKS_UDP] = "udp" };
	static const char *const families[] = { [SKS_V4] = "ipv4", [SKS_V6] = "ipv6" };
	static const char *const reasons[SKS_FAILURES] = {
		[SKS_FAILED_IDLE] = "not_receiving",
		[SKS_FAILED_CHOSEN] = "another_program",
		[SKS_FAILED_OTHER] = "other",
	};
	struct json_object *part = report_counter(counter), *failed = json_object_new_object();

	sks_json_add_string(part, "protocol", protocols[proto]);
	sks_json_add_string(part, "family", families[family]);
	for (int i = 0; i < SKS_FAILURES; i++)
		sks_json_add_number(failed, reasons[i], counter->errors[i]);
	sks_json_add(part, "reasons", failed);
	return part;
}

struct json_object *sks_report_counters(const struct sks_counter sums[2][2])
{
	struct json_object *counters, *parts = json_object_new_array();
	struct sks_counter families[2] = {}, sum = {};

	for (uint32_t i = 0; i < 4; i++) {
		const struct sks_counter *one = &sums[i / 2][i % 2];

		sks_counter_add(&families[i % 2], one);
		sks_counter_add(&sum, one);
		if (one->steered || one->refused || sks_counter_errors(one))
			json_object_array_add(parts, report_part(i / 2, i % 2, one));
	}
	counters = report_counter(&sum);
	sks_json_add(counters, "ipv4", report_family(&families[SKS_V4]));
	sks_json_add(counters, "ipv6", report_family(&families[SKS_V6]));
	sks_json_add(counters, "parts", parts);
	return counters;
}
