/* SPDX-License-Identifier: MIT
 *
 * A Windows program that knows nothing of this library: it maps a file as section objects are
 * mapped everywhere, and does what it is told, line by line:
 *
 *   map PATH SIZE      open or create the file and map it; SIZE 0 is the file's size
 *   size               of the file
 *   read OFFSET COUNT  bytes of the view, as hexadecimal digits
 *   write OFFSET HEX   bytes into the view
 *   add OFFSET TIMES   add one to a 32-bit number in the view, so often, interlocked
 *   unmap              and close everything
 *
 * Each line is answered by one: "ok" with what was asked for, or "error N" with GetLastError().
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <windows.h>

static HANDLE file = INVALID_HANDLE_VALUE, section;
static unsigned char *view;

static void answer(BOOL well, const char *text)
{
    DWORD error = GetLastError();
    if (well)
        printf("ok%s%s\n", *text ? " " : "", text);
    else
        printf("error %lu\n", error);
    fflush(stdout);
}

static BOOL map(const char *path, DWORD size)
{
    file = CreateFileA(path, GENERIC_READ | GENERIC_WRITE, FILE_SHARE_READ | FILE_SHARE_WRITE, NULL,
                       OPEN_ALWAYS, FILE_ATTRIBUTE_NORMAL, NULL);
    if (file == INVALID_HANDLE_VALUE)
        return FALSE;
    section = CreateFileMappingA(file, NULL, PAGE_READWRITE, 0, size, NULL);
    if (!section)
        return FALSE;
    view = MapViewOfFile(section, FILE_MAP_WRITE, 0, 0, 0);
    return view != NULL;
}

static BOOL unmap(void)
{
    BOOL well = UnmapViewOfFile(view) && CloseHandle(section) && CloseHandle(file);
    view = NULL;
    return well;
}

static void read_bytes(unsigned long offset, unsigned long count)
{
    static char digits[2 * 4096 + 1];
    unsigned long i;
    for (i = 0; i < count && i < 4096; i++)
        sprintf(digits + 2 * i, "%02x", view[offset + i]);
    digits[2 * i] = 0;
    answer(TRUE, digits);
}

static void write_bytes(unsigned long offset, const char *digits)
{
    unsigned value;
    for (; sscanf(digits, "%2x", &value) == 1; digits += 2)
        view[offset++] = (unsigned char)value;
    answer(TRUE, "");
}

int main(void)
{
    static char line[16384], text[8192];
    unsigned long one, two;
    char number[32];
    while (fgets(line, sizeof line, stdin)) {
        if (sscanf(line, "map %8191s %lu", text, &one) == 2) {
            answer(map(text, one), "");
        } else if (!strncmp(line, "size", 4)) {
            sprintf(number, "%lu", GetFileSize(file, NULL));
            answer(TRUE, number);
        } else if (sscanf(line, "read %lu %lu", &one, &two) == 2) {
            read_bytes(one, two);
        } else if (sscanf(line, "write %lu %8191s", &one, text) == 2) {
            write_bytes(one, text);
        } else if (sscanf(line, "add %lu %lu", &one, &two) == 2) {
            while (two--)
                InterlockedIncrement((volatile LONG *)(view + one));
            answer(TRUE, "");
        } else if (!strncmp(line, "unmap", 5)) {
            answer(unmap(), "");
        } else {
            answer(TRUE, "not understood");
        }
    }
    return 0;
}
