# shellcheck shell=sh disable=SC2154
# SPDX-License-Identifier: Apache-2.0
# Read with "." by tests that boot a Debian in a folder: root folders made by debootstrap, and
# systemd-nspawn without any network but its own loopback. Everything is below $dir, which the
# reader sets, and $TOP_BUILDDIR has the lock; a run that was killed is cleaned up by the next one. All of it is for root.

# container_skip REASON
container_skip() {
	echo "1..0 # SKIP $1"
	exit 0
}

container_bail() { # WHAT LOG
	[ ! -e "$2" ] || tail -n 30 "$2" | sed 's/^/# /'
	echo "Bail out! $1, see $2"
	exit 1
}

# Skips where no container can be made; else takes the folder for this run.
container_begin() {
	[ "$(id -u)" -eq 0 ] || container_skip "booting a container needs root"
	for tool in debootstrap systemd-nspawn flock setpriv; do
		command -v "$tool" >/dev/null || container_skip "no $tool (build-aux/setup.sh --all)"
	done
	unshare --mount --pid --fork true 2>/dev/null || container_skip "no namespaces here"
	mkdir -p "$dir"
	# One at a time in a build folder: with --keep-unit they share a control group.
	exec 9>"$TOP_BUILDDIR/container.lock"
	flock 9
}

# The control groups that nspawn makes below ours with --keep-unit; only empty ones go.
container_cgroups_remove() {
	awk -F: '$1 == 0 || $2 == "name=systemd" { print $3 }' /proc/self/cgroup | while read -r own; do
		for tree in /sys/fs/cgroup /sys/fs/cgroup/systemd /sys/fs/cgroup/unified; do
			for group in "$tree${own%/}"/payload "$tree${own%/}"/supervisor; do
				[ ! -d "$group" ] || find "$group" -depth -type d -exec rmdir {} \; 2>/dev/null || :
			done
		done
	done
}

# container_remove ROOT...: what a run leaves.
container_remove() {
	container_cgroups_remove
	rmdir /run/systemd/nspawn/propagate/postboot-* 2>/dev/null || :
	for gone; do
		# Nothing is mounted in it: what nspawn mounts goes with its namespace.
		! grep -q " $gone" /proc/self/mounts || container_bail "something is mounted below $gone" none
		rm -rf "$gone"
	done
}

# container_archive RELEASE: the archive that this machine uses itself, of that release.
container_archive() {
	# shellcheck disable=SC2016
	apt-get indextargets --format '$(RELEASE) $(COMPONENT) $(REPO_URI)' 'Created-By: Packages' |
		awk -v release="$1" '$1 == release && $2 == "main" { print $3; exit }'
}

# container_base RELEASE PACKAGES: a minimal Debian in $base, made once.
container_base() {
	base=$dir/base.$(echo "$1 $2" | cksum | cut -d ' ' -f 1)
	[ ! -e "$base/complete" ] || return 0
	rm -rf "$dir"/base.*
	mkdir -p "$base"
	# Of another release than ours: the mirror is the same.
	# shellcheck disable=SC1091
	url=$(container_archive "$(. /etc/os-release && echo "${VERSION_CODENAME-}")")
	debootstrap --variant=minbase --include="$2" "$1" "$base/debian" ${url:+"$url"} \
		>"$dir/debootstrap.log" 2>&1 || container_bail "debootstrap failed" "$dir/debootstrap.log"
	rm -rf "$base"/debian/var/cache/apt/archives/*.deb
	: >"$base/complete"
}

# container_run ROOT COMMAND...: with this machine's network, for apt. Whoever dies first takes
# the rest along.
container_run() {
	container_root=$1
	shift
	setpriv --pdeathsig KILL systemd-nspawn --quiet --settings=no --register=no --keep-unit \
		--as-pid2 --link-journal=no --resolv-conf=copy-host --timezone=off --console=pipe \
		--setenv=DEBIAN_FRONTEND=noninteractive --setenv=LC_ALL=C.UTF-8 \
		--machine="postboot-run-$$" --directory="$container_root" "$@" </dev/null 9>&-
}

# container_unit ROOT: the test in it, /test/inside.sh, as a unit that ends the container. It
# writes TAP to /test/tap.
container_unit() {
	cat >"$1/etc/systemd/system/inside.service" <<'END'
[Unit]
Description=Test of Postboot
After=multi-user.target
FailureAction=exit
SuccessAction=exit

[Service]
Type=oneshot
ExecStart=/bin/bash /test/inside.sh
StandardOutput=append:/test/tap
StandardError=append:/test/err
TimeoutStartSec=infinity
END
	mkdir -p "$1/etc/systemd/system/default.target.wants"
	ln -sf ../inside.service "$1/etc/systemd/system/default.target.wants/"
	echo postboot-test >"$1/etc/hostname"
	: >"$1/etc/machine-id"
}

# container_boot ROOT SECONDS LOG
container_boot() {
	setpriv --pdeathsig KILL timeout --kill-after=5 "$2" \
		setpriv --pdeathsig KILL systemd-nspawn --quiet --settings=no --boot --register=no \
		--keep-unit --private-network --link-journal=no --resolv-conf=off --timezone=off \
		--console=pipe --machine="postboot-boot-$$" --directory="$1" \
		systemd.log_target=journal </dev/null >"$3" 2>&1 9>&-
}
