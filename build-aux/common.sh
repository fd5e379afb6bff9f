# shellcheck shell=sh
# SPDX-License-Identifier: Apache-2.0
# Read by check.sh and demo.sh with "." in the top folder: set-up and build, the same in both,
# so that the second of them has nothing left to build.

# set_up [--no-install] [--all]
set_up() {
	build-aux/setup.sh "$@"
}

# quietly LOG COMMAND...: the output goes to LOG, its end is shown if COMMAND fails.
quietly() {
	quietly_log=$1
	shift
	if "$@" >"$quietly_log" 2>&1; then
		return 0
	fi
	tail -n 60 "$quietly_log" >&2
	echo "failed: $* (all of it: $quietly_log)" >&2
	return 1
}

# The generated files are made anew when what they are made from is newer.
generated_is_fresh() {
	[ -e configure ] && [ -e Makefile.in ] &&
		[ -z "$(find configure.ac Makefile.am src tests man conf schema \
			\( -name '*.ac' -o -name '*.am' -o -name '*.inc' \) \
			-newer Makefile.in)" ]
}

# build_in DIR [CONFIGURE-OPTION...]: a VPATH build of all programs, with the paths of README.md's
# installation, which tests/boot boots.
build_in() {
	build_dir=$1
	shift
	set -- --prefix=/usr --sysconfdir=/etc --localstatedir=/var --runstatedir=/run "$@"
	mkdir -p "$build_dir" .deps
	(
		# One at a time in all build folders: configure is shared.
		flock 8
		generated_is_fresh || quietly "$build_dir/autoreconf.log" autoreconf -fi || exit
		wanted="$* ${PKG_CONFIG_PATH-} ${CC-} ${CFLAGS-} ${CPPFLAGS-} ${LDFLAGS-}"
		if [ "$(cat "$build_dir/configured" 2>/dev/null)" != "$wanted" ]; then
			(cd "$build_dir" && quietly configure.log ../configure "$@") || exit
			echo "$wanted" >"$build_dir/configured"
		fi
		quietly "$build_dir/make.log" make -C "$build_dir" -j "$(nproc)"
	) 8>.deps/build-lock
}
