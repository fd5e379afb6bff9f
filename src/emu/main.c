/* SPDX-License-Identifier: Apache-2.0 */
#include "emu/conf.h"
#include "emu/fleet.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

static struct emu_signals main_signals;

static void main_on_signal(int number)
{
	if (number == SIGUSR1)
		main_signals.free_space = 1;
	else
		main_signals.stop = 1;
}

static void main_handle(int number)
{
	struct sigaction action;

	memset(&action, 0, sizeof(action));
	action.sa_handler = main_on_signal;
	sigemptyset(&action.sa_mask);
	(void)sigaction(number, &action, NULL);
}

int main(int argc, char *argv[])
{
	struct emu_conf conf;
	int status = 2;

	switch (emu_conf_parse(argc, argv, &conf)) {
	case EMU_CONF_DONE:
		status = EXIT_SUCCESS;
		break;
	case EMU_CONF_BAD:
		break;
	case EMU_CONF_RUN:
		main_handle(SIGINT);
		main_handle(SIGTERM);
		main_handle(SIGUSR1);
		(void)signal(SIGPIPE, SIG_IGN);
		status = emu_fleet_run(&conf, &main_signals);
		break;
	}
	emu_conf_done(&conf);
	return status;
}
