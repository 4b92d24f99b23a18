/* SPDX-License-Identifier: MIT */
/* How the values of a status tree are read and said, for all who show one to people. */
#ifndef PROGRAM_REPORT_TEXT_H
#define PROGRAM_REPORT_TEXT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct tree;

void put_text(const char *text, FILE *output);
/* 0 for null and for what is missing, too. */
uint64_t read_number(const struct tree *node);
uint64_t get_number(const struct tree *map, const char *key);
bool get_bool(const struct tree *map, const char *key);
const char *get_text(const struct tree *map, const char *key);
void format_quantity(uint64_t value, const char *unit, char *text, size_t size);
void format_rtt(uint64_t rtt_us, char *text, size_t size);
uint64_t sum_drops(const struct tree *map);

#endif
