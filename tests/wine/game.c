/* SPDX-License-Identifier: MIT */
/* Plays a game: named sections, an auto-reset event, a manual-reset event and a mutex, and a
 * counter at 60 Hz, prepared for nobody.  Its argument comes behind every name.  Prints "ready",
 * then one line for each request of its input; it ends with that, or with "quit".
 */
#include <stdio.h>
#include <string.h>
#include <wchar.h>
#include <windows.h>

static const struct {
    const wchar_t *name;
    DWORD protection;
    DWORD size;
} table[] = {
    {L"Local\\acpmf_physics", PAGE_READWRITE, 800},
    {L"Local\\IRSDKMemMapFileName", PAGE_READWRITE, 1164 * 1024},
    {L"Global\\flightsim", PAGE_READWRITE, 64 * 1024},
    {L"plain_name", PAGE_READWRITE, 4096},
    {L"Local\\reserved", PAGE_READWRITE | SEC_RESERVE, 16 * 1024 * 1024},
    {L"Local\\readonly", PAGE_READONLY, 8192},
};
enum { COUNT = sizeof table / sizeof *table };

static HANDLE sections[COUNT], tick, manual, lock;
static unsigned char *views[COUNT];

static DWORD WINAPI count(void *unused)
{
    (void)unused;
    for (;;) {
        InterlockedIncrement((volatile LONG *)views[0]);
        SetEvent(tick);
        Sleep(16);
    }
    return 0;
}

static const wchar_t *named(const wchar_t *name, const char *suffix)
{
    static wchar_t full[200];
    swprintf(full, 200, L"%ls%hs", name, suffix);
    return full;
}

int main(int argc, char **argv)
{
    const char *suffix = argc > 1 ? argv[1] : "";
    char line[256], name[200];
    unsigned which, offset, value;
    int n;
    for (n = 0; n < COUNT; n++) {
        sections[n] = CreateFileMappingW(INVALID_HANDLE_VALUE, NULL, table[n].protection, 0,
                                         table[n].size, named(table[n].name, suffix));
        views[n] = MapViewOfFile(
            sections[n], table[n].protection & PAGE_READONLY ? FILE_MAP_READ : FILE_MAP_ALL_ACCESS,
            0, 0, 0);
        if (!views[n]) {
            printf("section %d: %lu\n", n, GetLastError());
            return 1;
        }
    }
    VirtualAlloc(views[4] + 0x100000, 0x10000, MEM_COMMIT, PAGE_READWRITE);
    views[4][0x100000] = 0x42;
    tick = CreateEventW(NULL, FALSE, FALSE, named(L"Local\\tick", suffix));
    manual = CreateEventW(NULL, TRUE, FALSE, named(L"Local\\manual", suffix));
    lock = CreateMutexW(NULL, FALSE, named(L"Local\\lock", suffix));
    CreateThread(NULL, 0, count, NULL, 0, NULL);
    printf("ready\n");
    fflush(stdout);
    while (fgets(line, sizeof line, stdin)) {
        if (sscanf(line, "get %u %u", &which, &offset) == 2)
            printf("%u\n", *(unsigned *)(views[which] + offset));
        else if (sscanf(line, "set %u %u %u", &which, &offset, &value) == 3)
            printf("%u\n", *(unsigned *)(views[which] + offset) = value);
        else if (sscanf(line, "read %199s", name) == 1) {
            HANDLE there = OpenFileMappingA(FILE_MAP_READ, FALSE, name);
            char *view = there ? MapViewOfFile(there, FILE_MAP_READ, 0, 0, 0) : NULL;
            printf("%.40s\n", view ? view : "none");
            if (view)
                UnmapViewOfFile(view);
            if (there)
                CloseHandle(there);
        } else if (sscanf(line, "write %199s", name) == 1) {
            HANDLE there = OpenFileMappingA(FILE_MAP_WRITE, FALSE, name);
            char *view = there ? MapViewOfFile(there, FILE_MAP_WRITE, 0, 0, 0) : NULL;
            if (view)
                strcpy(view, "from the game");
            printf("%s %lu\n", view ? "ok" : "none", view ? 0 : GetLastError());
            if (view)
                UnmapViewOfFile(view);
            if (there)
                CloseHandle(there);
        } else if (!strncmp(line, "lock", 4))
            printf("%lu\n", WaitForSingleObject(lock, 0));
        else if (!strncmp(line, "unlock", 6))
            printf("%d\n", ReleaseMutex(lock));
        else if (!strncmp(line, "pulse", 5))
            printf("%d\n", SetEvent(manual));
        else if (!strncmp(line, "manual", 6))
            printf("%lu\n", WaitForSingleObject(manual, 0));
        else if (!strncmp(line, "close", 5))
            printf("%d\n", CloseHandle(sections[0]));
        else
            break;
        fflush(stdout);
    }
    return 0;
}
