/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

int main(void)
{
	puts("postboot-device " PACKAGE_VERSION);
	return 0;
}
