#!/usr/bin/env python3
# SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
"""Owns how tests read OpenMetrics text on stdin: by the parser of the Prometheus project.

`families` prints "NAME TYPE UNIT" of each; otherwise each sample is a line "NAME LABEL=VALUE... NUMBER",
labels sorted. Text that is not sound, or has one sample twice, is an error.
"""
import sys

from prometheus_client.openmetrics.parser import text_string_to_metric_families

seen = set()
for family in text_string_to_metric_families(sys.stdin.buffer.read().decode()):
    assert family.documentation, family.name
    if sys.argv[1:] == ["families"]:
        print(" ".join([family.name, family.type, family.unit]).strip())
        continue
    for sample in family.samples:
        labels = [f"{key}={value}" for key, value in sorted(sample.labels.items())]
        name = " ".join([sample.name, *labels])
        assert name not in seen, name
        seen.add(name)
        print(name, f"{sample.value:g}" if sample.value != int(sample.value) else int(sample.value))
