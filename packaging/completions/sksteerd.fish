# SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
# Owns that fish completes sksteerd, by the functions of sksteerctl.fish.

source (status dirname)/sksteerctl.fish
complete -c sksteerd -f -a '(__sksteer_complete)'
