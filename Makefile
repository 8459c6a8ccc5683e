# SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
# Owns how sksteer is built, linted and installed. `make V=1` shows the commands, `make SANITIZE=1`
# builds with ASan and UBSan into build-sanitize, `make WERROR=1` makes warnings errors.
, := ,
BUILD	   ?= $(if $(SANITIZE),build-sanitize,build)
PREFIX	   ?= /usr/local
BINDIR	   ?= $(PREFIX)/bin
SBINDIR	   ?= $(PREFIX)/sbin
# Where ld.so looks for a bare name: Debian has a directory for each architecture, Fedora lib64.
LIBDIR	   ?= $(if $(filter /usr,$(PREFIX)),$(firstword $(wildcard /usr/lib/$(shell uname -m)-linux-gnu /usr/lib64) \
	      /usr/lib),$(PREFIX)/lib)
UNITDIR	   ?= $(PREFIX)/lib/systemd/system
SYSCONFDIR ?= /etc
SYSTEMD	   ?= $(shell pkg-config --exists systemd && echo yes || echo no)
CC	   := $(if $(filter default,$(origin CC)),gcc,$(CC))
CLANG	   ?= clang
BPFTOOL	   ?= $(firstword $(wildcard /usr/sbin/bpftool /sbin/bpftool) bpftool)
FUZZ_SECONDS ?= 60
CFLAGS	   ?= -O2 -g
WARN	   := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes $(if $(WERROR),-Werror)
SAN	   := $(if $(SANITIZE),-fsanitize=address$(,)undefined -fno-sanitize-recover=undefined)
LIBRARIES  := libbpf libelf libmnl json-c inih libseccomp libcap-ng
HELPER_LIB  = $(shell pkg-config --libs $(LIBRARIES))
LANGUAGE   := -std=gnu11 -D_GNU_SOURCE -I. -I$(BUILD)
BASE_FLAGS := $(LANGUAGE) $(CPPFLAGS) $(CFLAGS)
LIB_FLAGS  := $(BASE_FLAGS) -fPIC -fvisibility=hidden -U_FORTIFY_SOURCE -O2 -g -ffunction-sections
RUN_PATHS  := '-DSKS_SBINDIR="$(SBINDIR)"' '-DSKS_LIBDIR="$(LIBDIR)"'

COMMON	   := $(wildcard common/*.c)
LIB_SRC	   := $(wildcard preload/*.c)
RUN_SRC	   := $(wildcard preload/run/*.c)
CTL_SRC	   := $(wildcard helper/ctl/*.c)
DAEMON_SRC := helper/sksteerd.c
HELPER_SRC := $(filter-out $(DAEMON_SRC),$(wildcard helper/*.c))
objs	    = $(patsubst %.c,$(BUILD)/obj/%.o,$(1))
COMMON_OBJ := $(call objs,$(COMMON))
SKELETON   := $(patsubst bpf/%.bpf.c,$(BUILD)/%.skel.h,$(wildcard bpf/*.bpf.c))
PROGRAMS   := $(addprefix $(BUILD)/,libsksteer.so sksteer-run sksteerd sksteerctl)
TEST_PROGS := $(patsubst tests/progs/%.c,$(BUILD)/tests/%,$(wildcard tests/progs/*.c))
BENCH_SRC  := $(wildcard tests/bench/*.c)
BENCH	   := $(patsubst tests/%.c,$(BUILD)/%,$(filter-out %.bpf.c,$(BENCH_SRC))) \
	      $(patsubst tests/%.c,$(BUILD)/%.o,$(filter %.bpf.c,$(BENCH_SRC)))
UNIT_SRC   := $(wildcard tests/unit/*.c)
UNITS	   := $(UNIT_SRC:%.c=$(BUILD)/%)
FUZZERS	   := $(patsubst tests/fuzz/%.c,$(BUILD)/fuzz/%,$(wildcard tests/fuzz/*_fuzz.c))
C_FILES	    = $(wildcard $(foreach d,common preload preload/run helper helper/ctl bpf docs tests/progs \
	      tests/unit tests/fuzz tests/bench,$d/*.c $d/*.h))
C_SRC	    = $(COMMON) $(LIB_SRC) $(RUN_SRC) $(HELPER_SRC) $(DAEMON_SRC) $(CTL_SRC)
# What bpftool generates into these files' skeletons is not ours to mend.
TIDY_FILES  = $(filter-out helper/bpf.c helper/bpf_copy.c helper/bpf_census.c helper/bpf_claims.c,$(C_SRC))
SCRIPTS	    = $(wildcard scripts/* .ci/run tests/*.bash tests/*.bats) \
	      $(filter-out %.c %.h %.py %.md,$(wildcard tests/bench/* tests/kernels/*)) $(wildcard packaging/APKBUILD packaging/debian/tests/smoke packaging/debian/*.prerm \
	      packaging/completions/*.bash)
SPDX_FILES  = $(C_FILES) $(SCRIPTS) Makefile $(wildcard preload/*.map tests/*.py tests/*sh tests/bench/*.py) \
	      $(filter-out %.json,$(wildcard packaging/*.* packaging/completions/* packaging/debian/rules))

Q   := $(if $(V),,@)
# The first line of a recipe: makes room for the target, and says what comes.
say  = @mkdir -p $(@D)$(if $(V),,; printf '  %-7s %s\n' '$(1)' '$(2)')
all: $(PROGRAMS)
tests: all $(TEST_PROGS) $(UNITS) $(if $(SANITIZE),,$(BENCH))

# Objects depend on what they were compiled with: file $(1) remembers $(2).
remember = $(if $(subst =$(2)=,,=$(file <$(BUILD)/$(1))=),\
	   $(shell mkdir -p $(BUILD))$(file >$(BUILD)/$(1),$(2)))
$(call remember,flags,$(CC) $(BASE_FLAGS) $(SAN))$(call remember,paths,$(RUN_PATHS))
$(BUILD)/features: scripts/features
	$(call say,LOOK,for libraries)
	$(Q)SYSTEMD=$(SYSTEMD) $< $(LIBRARIES) && touch $@
$(BUILD)/obj/%.o: %.c $(BUILD)/flags | $(SKELETON) $(BUILD)/features
	$(call say,CC,$<)
	$(Q)$(CC) $(BASE_FLAGS) $(WARN) $(SAN) $(OBJ_FLAGS) -MMD -MP -c -o $@ $<
$(BUILD)/pic/%.o: %.c $(BUILD)/flags
	$(call say,CC,$< (pic))
	$(Q)$(CC) $(LIB_FLAGS) $(WARN) -MMD -MP -c -o $@ $<
$(call objs,$(RUN_SRC) $(CTL_SRC)): OBJ_FLAGS = $(RUN_PATHS)
$(call objs,$(RUN_SRC) $(CTL_SRC)): $(BUILD)/paths

# Never sanitized: its programs are not. Each that starts pays for segments, relro, symbols bound at once.
$(BUILD)/libsksteer.so: $(patsubst %.c,$(BUILD)/pic/%.o,$(LIB_SRC) $(COMMON)) $(wildcard preload/*.map)
	$(call say,LINK,$@)
	$(Q)$(CC) $(LIB_FLAGS) -shared -nostartfiles $(LDFLAGS) -Wl,-soname,libsksteer.so,--as-needed,-z,defs \
		-Wl,-z,now,-z,nodelete,-z,noseparate-code,-z,norelro,--gc-sections,--hash-style=gnu -o $@ \
		$(addprefix -Wl$(,)--version-script=,$(filter %.map,$^)) $(filter %.o,$^)
$(BUILD)/libhelper.a: $(call objs,$(HELPER_SRC))
$(BUILD)/fuzz/all.a: $(patsubst %.c,$(BUILD)/fuzz/obj/%.o,$(HELPER_SRC) $(COMMON) $(patsubst %,helper/ctl/%.c,draw flow grouped spell))
$(BUILD)/libhelper.a $(BUILD)/fuzz/all.a:
	$(call say,AR,$@)
	$(Q)rm -f $@ && $(AR) rcs $@ $^
$(BUILD)/sksteer-run: $(call objs,$(RUN_SRC) \
		$(patsubst %,preload/%.c,config fd log moved offer place real report select)) $(COMMON_OBJ)
$(BUILD)/sksteerd: $(call objs,$(DAEMON_SRC)) $(BUILD)/libhelper.a $(COMMON_OBJ)
$(BUILD)/sksteerctl: $(call objs,$(CTL_SRC) $(patsubst %,preload/run/%.c,beside reach vars yama)) $(BUILD)/libhelper.a $(COMMON_OBJ)
$(UNITS): $(BUILD)/%: $(BUILD)/obj/%.o $(COMMON_OBJ)
$(BUILD)/tests/unit/asked_test: $(call objs,preload/endpoint.c)
# Only a unit test of helper code waits for the whole helper to compile.
$(patsubst %.c,$(BUILD)/%,$(shell grep -l 'helper/' $(UNIT_SRC) /dev/null)): $(BUILD)/libhelper.a
$(filter-out %.so,$(PROGRAMS)) $(UNITS):
	$(call say,LINK,$@)
	$(Q)$(CC) $(BASE_FLAGS) $(SAN) $(LDFLAGS) -o $@ $(filter %.o %.a,$^) -Wl,--as-needed $(HELPER_LIB)
# bpftool's linker drops the DWARF and keeps the BTF.
vpath %.bpf.c bpf tests
$(BUILD)/%.bpf.o: %.bpf.c Makefile
	$(call say,BPF,$<)
	$(Q)$(CLANG) -O2 -g -target bpf -mcpu=v3 -Wall -Wextra $(if $(WERROR),-Werror) -I. \
		$(addprefix -I,$(wildcard /usr/include/$(shell uname -m)-linux-gnu)) -MMD -MP -MF $(@:.o=.d) -MT $@ -c -o $@.full $<
	$(Q)$(BPFTOOL) gen object $@ $@.full
$(BUILD)/%.skel.h: $(BUILD)/%.bpf.o
	$(Q)$(BPFTOOL) gen skeleton $< name $* > $@.new && mv $@.new $@
$(BUILD)/tests/%: tests/progs/%.c $(BUILD)/flags
	$(call say,CC,$<)
	$(Q)$(CC) $(BASE_FLAGS) $(WARN) $(if $(filter %.so,$@),-shared -fPIC) -pthread -MMD -MP -MF $@.d -o $@ $<
$(BUILD)/bench/%: tests/bench/%.c $(COMMON_OBJ) $(BUILD)/flags
	$(call say,CC,$<)
	$(Q)$(CC) $(BASE_FLAGS) $(WARN) -pthread -MMD -MP -MF $@.d -o $@ $< $(COMMON_OBJ) -Wl,--as-needed $(HELPER_LIB)
# Without trace-cmp: what reads whole tables would take ten times as long.
fuzz_cc = $(CLANG) $(BASE_FLAGS) -fno-sanitize-recover=undefined -fsanitize=address,undefined,$(1)
$(BUILD)/fuzz/obj/%.o: %.c $(BUILD)/flags | $(SKELETON)
	$(call say,FUZZ,$<)
	$(Q)$(call fuzz_cc,fuzzer-no-link) -fno-sanitize-coverage=trace-cmp $(WARN) -MMD -MP -c -o $@ $<
$(FUZZERS): $(BUILD)/fuzz/%: $(BUILD)/fuzz/obj/tests/fuzz/%.o $(BUILD)/fuzz/all.a
	$(call say,LINK,$@)
	$(Q)$(call fuzz_cc,fuzzer) -o $@ $^ -Wl,--as-needed $(HELPER_LIB)

check soak check-kernels: tests
	$(Q)BUILD=$(BUILD) scripts/check --$(patsubst check,tests,$(@:check-%=%))-only
bench bench-dispatch: all $(TEST_PROGS) $(BENCH)
	$(Q)BUILD=$(BUILD) tests/bench/run $(patsubst bench%,%,$(@:bench-%=%))
# What it finds new stays in the build; the tree's corpus is read, and added to by hand.
fuzz: $(FUZZERS:=.run)
$(FUZZERS:=.run): %.run: %
	$(Q)mkdir -p $<.corpus && $< -max_total_time=$(FUZZ_SECONDS) -timeout=10 -max_len=17000 -artifact_prefix=$<- \
		-verbosity=0 -print_funcs=0 $<.corpus $(patsubst $(BUILD)/fuzz/%_fuzz,tests/fuzz/corpus/%,$<)
lint: $(SKELETON)
	$(Q)grep -L 'SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)' $(SPDX_FILES) | \
		{ ! sed 's/$$/: no SPDX line/' | grep .; }
	$(Q)clang-format --dry-run --Werror $(C_FILES)
	$(Q)shellcheck -x $(SCRIPTS)
	$(Q)cppcheck --quiet --error-exitcode=1 --inline-suppr --enable=warning,portability -j2 --std=c11 \
		-D_GNU_SOURCE '-DLIBBPF_OPTS(t,n,...)=struct t n = { __VA_ARGS__ }' $(C_SRC) $(UNIT_SRC)
	$(Q)printf '%s\n' $(TIDY_FILES) | xargs -P4 -I@ clang-tidy --quiet @ -- $(LANGUAGE) \
		'-DSKS_SBINDIR=""' '-DSKS_LIBDIR=""' 2>/dev/null

install: all
install uninstall:
	$(Q)env $(foreach v,BUILD DESTDIR PREFIX BINDIR SBINDIR LIBDIR UNITDIR SYSCONFDIR SYSTEMD,$v='$($v)') scripts/install $@
clean: ; rm -rf build build-*
.DELETE_ON_ERROR .SECONDARY:
.PHONY: all tests check soak check-kernels bench bench-dispatch fuzz lint install uninstall clean
-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
