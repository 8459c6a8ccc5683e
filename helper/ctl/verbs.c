/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns the verbs of sksteerctl, and the help of each. */
#include "verbs.h"

#include <string.h>

static const struct sks_verb verbs[] = {
	{ "status", sks_ctl_status, 0, 1, "at most a LABEL",
	  "Usage: sksteerctl status [LABEL] [--json] [--all] [--watch[=SECONDS]] [OPTION]...\n"
	  "Show which services there are, where they listen, and what is steered to them:\n"
	  "the binding that wins comes first. Root reads the kernel's maps, so that this works\n"
	  "while the helper is down; others ask the helper and see their own services.\n"
	  "\n"
	  "  --json             everything, as one JSON object\n"
	  "  --all              every network namespace that is pinned below the --bpffs\n"
	  "                     directory\n"
	  "  --watch[=SECONDS]  again and again (2 seconds), with what is steered and refused a\n"
	  "                     second, until it is interrupted\n"
	  "\n"
	  "-> leads to a socket, <- is what is steered to the service. On a terminal there are\n"
	  "colours, unless NO_COLOR is set.\n" },
	{ "lookup", sks_ctl_lookup, 3, 5, "PROTO, ADDR and PORT, and at most \"from ADDR:PORT\"",
	  "Usage: sksteerctl lookup PROTO ADDR PORT [from ADDR:PORT] [--json] [OPTION]...\n"
	  "Say who would get a connection, or a datagram, and why: asked of the program that the\n"
	  "kernel runs, and without sending anything. What it says is not counted as a "
	  "connection.\n"
	  "\n"
	  "  PROTO           tcp or udp\n"
	  "  ADDR            192.0.2.7   2001:db8::7   fe80::1%eth0: where it arrives at eth0\n"
	  "  from ADDR:PORT  the client's: where sockets share the work, it decides\n"
	  "  --json          one JSON object\n"
	  "\n"
	  "Exits 0 when somebody gets it, steered or not, and 1 when nobody does. For root; also\n"
	  "while no helper runs.\n" },
	{ "bind", sks_ctl_bind, 2, INT32_MAX, "a LABEL and at least one SPEC",
	  "Usage: sksteerctl bind LABEL SPEC... [OPTION]...\n"
	  "Steer more to a label's server: the one that runs, and every one to come. All SPECs\n"
	  "take effect at once or not at all, and hold until they are unbound.\n"
	  "\n"
	  "  SPEC    7,77,777   8000-8100/udp   any:443   192.0.2.0/24:53   [2001:db8::/32]:53\n"
	  "\n"
	  "Without \"any:\" or a prefix, a port opens where the server itself listens. A target "
	  "that\n"
	  "another label of yours has moves over. A label is a server's SKSTEER_LABEL, or the -l "
	  "of\n"
	  "sksteer-run.\n" },
	{ "unbind", sks_ctl_unbind, 2, INT32_MAX, "a LABEL and at least one SPEC",
	  "Usage: sksteerctl unbind LABEL SPEC... [OPTION]...\n"
	  "Take bindings from a label, spelt as they were bound: all of them or, where one is not\n"
	  "there, none. Connections that are open stay so.\n" },
	{ "apply", sks_ctl_apply, 1, 1, "a FILE",
	  "Usage: sksteerctl apply FILE [--dry-run] [--allow-empty] [OPTION]...\n"
	  "Make what your labels have by sksteerctl what FILE (\"-\": standard input) lists, all "
	  "of\n"
	  "it at once or nothing:\n"
	  "\n"
	  "  { \"services\": [\n"
	  "    { \"label\": \"web\", \"bindings\": [ \"80\", \"192.0.2.0/24:443\" ] },\n"
	  "    { \"label\": \"dns\", \"bindings\": [ \"any:53/udp\" ] } ] }\n"
	  "\n"
	  "A binding is what `bind` takes. What is not listed is unbound, also from labels that "
	  "are\n"
	  "not in the file; what a server's own environment asks for stays. A line is printed for\n"
	  "each target that came (+) or went (-).\n"
	  "\n"
	  "  --dry-run      only print them, or what the helper has against it\n"
	  "  --allow-empty  the file may list no service: all is unbound\n" },
	{ "upgrade", sks_ctl_upgrade, 1, 1, "a LABEL, and a command after \"--\"",
	  "Usage: sksteerctl upgrade LABEL [OPTION]... -- COMMAND [ARGUMENT]...\n"
	  "Put a new server in the place of a label's running one, without a client noticing.\n"
	  "COMMAND is started beside it. When it listens, and --ready succeeds, all that is "
	  "steered\n"
	  "to the label moves to it at once. What the old server was asked before, it answers; "
	  "then\n"
	  "it is told to end. If the new one fails before the move, it is stopped, and the old "
	  "one\n"
	  "goes on.\n"
	  "\n"
	  "  --ready CMD    the move waits until `sh -c CMD` succeeds. CMD finds the new server "
	  "at\n"
	  "                 $SKSTEER_READY_ADDR (127.0.0.1:40123); its output is not shown\n"
	  "  --timeout S    seconds in which COMMAND must listen and be ready, and in which the "
	  "old\n"
	  "                 server must end (default 30)\n"
	  "  --drain S      seconds that the old server gets, before it is told to end, for the\n"
	  "                 connections that it still has (default 10)\n"
	  "  --signal SIG   how it is told: QUIT, SIGINT, 15 (default TERM)\n" },
	{ "weight", sks_ctl_weight, 3, 3, "a LABEL, a process id and a weight",
	  "Usage: sksteerctl weight LABEL PID N [OPTION]...\n"
	  "Give one of several servers that share a label (sksteer-run --join) another weight: "
	  "new\n"
	  "connections are shared in proportion, 100 being what a server has that names none, and\n"
	  "with 0 it gets no more of them. PID is the one that `status` shows.\n" },
	{ "register", sks_ctl_register, 1, 1, "a LABEL",
	  "Usage: sksteerctl register LABEL --pid PID [--fd N | --port PORT[/PROTO]] [OPTION]...\n"
	  "       sksteerctl register LABEL [--port PORT[/PROTO]] [OPTION]...\n"
	  "Make listening TCP and bound UDP sockets that are there already a label's: those of a\n"
	  "running process, or those that a service manager passes to sksteerctl itself\n"
	  "(LISTEN_FDS). What is bound to the label is steered to them, for as long as they are\n"
	  "open. All sockets at one port are meant, whatever their addresses and descriptors.\n"
	  "\n"
	  "  --pid PID            root's, or your own: the process is not stopped, nor changed\n"
	  "  --fd N               this descriptor of it\n"
	  "  --port PORT[/PROTO]  its sockets at this port: 80, 53/udp. Needed where it has\n"
	  "                       several\n"
	  "\n"
	  "Of passed sockets, if LISTEN_FDNAMES names some as the label, these alone are "
	  "meant.\n" },
	{ "unregister", sks_ctl_unregister, 1, 1, "a LABEL",
	  "Usage: sksteerctl unregister LABEL [OPTION]...\n"
	  "Take a label out, with all its bindings. Servers run on, and their own ports with "
	  "them.\n" },
	{ "unload", sks_ctl_unload, 0, 0, "no argument",
	  "Usage: sksteerctl unload [OPTION]...\n"
	  "Take everything out of this network namespace: bindings, maps and program. Servers run\n"
	  "on, and their own ports with them. For root; also while no helper runs.\n" },
	{ "policy", sks_ctl_policy, 2, 3, "check and a FILE, or explain, a USER and a SPEC",
	  "Usage: sksteerctl policy check FILE\n"
	  "       sksteerctl policy explain USER SPEC [--policy FILE]\n"
	  "check reads a policy file as the helper would, and says what is wrong with it.\n"
	  "explain says, for each target of SPEC, whether USER may steer it in this network\n"
	  "namespace, and which rule says so: FILE:LINE, or the built-in one. Neither needs a\n"
	  "helper; who is in which group is the user database's word here. What others hold\n"
	  "already is not looked at. explain exits 0 when all of it is allowed.\n"
	  "\n"
	  "  --policy FILE  instead of /etc/sksteer/policy.conf\n" },
	{ "metrics", sks_ctl_metrics, 0, 0, "no argument",
	  "Usage: sksteerctl metrics [--all] [--http] [OPTION]...\n"
	  "Print what status counts, and what the helper counts of itself, as OpenMetrics text\n"
	  "for Prometheus. As with status, the services are those of the kernel's maps, also "
	  "while\n"
	  "the helper is down; sksteer_helper_up says whether it is.\n"
	  "\n"
	  "  --all   every network namespace that is pinned below the --bpffs directory\n"
	  "  --http  answer one GET of /metrics on standard input, which is a connection: for\n"
	  "          sksteer-metrics.socket\n" },
	{ "watch", sks_ctl_watch, 0, 0, "no argument",
	  "Usage: sksteerctl watch [--json] [--all] [OPTION]...\n"
	  "Print a line for each thing that happens, until it is interrupted: registered, closed,\n"
	  "replaced (a label is another server's), drained (the last socket of a replaced server\n"
	  "is closed), denied, namespace-gone. Users see what is their own. It goes on with the\n"
	  "next helper when one ends (helper-gone, helper-back). Who does not read fast enough is\n"
	  "told how many events were lost.\n"
	  "\n"
	  "  --json  an object a line\n"
	  "  --all   of every network namespace; for root and the helper's group\n" },
};

const struct sks_verb *sks_verb_find(const char *name)
{
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
		if (strcmp(verbs[i].name, name) == 0)
			return &verbs[i];
	}
	return NULL;
}
