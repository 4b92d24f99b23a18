/* SPDX-License-Identifier: MIT */
/* Requests to the kernel that fail when a test says so: every one of them passes here. */
#ifndef NETWORK_FAULT_H
#define NETWORK_FAULT_H

/* Return: 0, or the negative errno with which this request must fail. */
int fault_check(void);

#endif
