/* SPDX-License-Identifier: MIT */
/* The main of a fuzz target without libFuzzer: replay every file of the corpus folders, whole and
 * cut short. */
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CUTS_MAX = 256, INPUT_MAX = 1024 * 1024 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A copy of the exact size each time: a sanitizer sees a read beyond the end. */
static int replay_one(const uint8_t *data, size_t size)
{
	uint8_t *copy = malloc(size ? size : 1);

	if (!copy)
		return -ENOMEM;
	memcpy(copy, data, size);
	LLVMFuzzerTestOneInput(copy, size);
	free(copy);
	return 0;
}

static int replay_cuts(const uint8_t *data, size_t size)
{
	int r = replay_one(data, size);

	for (size_t cut = 0; r == 0 && cut < size && cut <= CUTS_MAX; cut++)
		r = replay_one(data, cut);
	return r;
}

static int replay_file(const char *path)
{
	uint8_t *data = malloc(INPUT_MAX);
	FILE *file = fopen(path, "rb");
	int r = -EIO;

	if (data && file) {
		size_t size = fread(data, 1, INPUT_MAX, file);

		if (!ferror(file))
			r = replay_cuts(data, size);
	}
	if (r < 0)
		fprintf(stderr, "%s: %s\n", path, strerror(-r));
	if (file)
		fclose(file);
	free(data);
	return r;
}

/* Return: how many files were replayed, or a negative errno. */
static int replay_folder(const char *folder)
{
	DIR *dir = opendir(folder);
	struct dirent *entry;
	int n = 0;

	if (!dir)
		return -errno;
	while (n >= 0 && (entry = readdir(dir))) {
		char path[4096];
		int r;

		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
		r = replay_file(path);
		n = r < 0 ? r : n + 1;
	}
	closedir(dir);
	return n;
}

int main(int argc, char **argv)
{
	int total = 0;

	for (int i = 1; i < argc; i++) {
		int n = replay_folder(argv[i]);

		if (n < 0) {
			fprintf(stderr, "%s: %s\n", argv[i], strerror(-n));
			return 1;
		}
		total += n;
	}
	if (total == 0) {
		fprintf(stderr, "an empty corpus proves nothing\n");
		return 1;
	}
	printf("%d files\n", total);
	return 0;
}
