/* SPDX-License-Identifier: MIT */
/* The helper that runs inside a Wine prefix: it turns names into handles, and says what it was
 * asked for.
 *
 * One command in a line of UTF-8 on standard input, one answer in lines on standard output; numbers
 * are hexadecimal. It ends with its input.  It uses no C library, so that it depends on nothing but
 * kernel32 and ntdll, and the same compiler makes the same file.  Build: tools/wine_helpers.py.
 *
 *   hello                      ok BITS SESSION
 *   ls                         entry TYPE SIZE NAME ... ok
 *   section ACCESS NAME        ok HANDLE ADDRESS SIZE ATTRIBUTES   opened, first page mapped
 *   event NAME | mutex NAME    ok HANDLE MANUAL
 *   share ACCESS SIZE PATH NAME                                    a file, held until the end
 *   wait HANDLE MILLISECONDS   ok RESULT
 *   count HANDLE               ok HANDLES                          how many the prefix has
 *   set HANDLE | reset HANDLE | release HANDLE | close HANDLE ADDRESS
 *
 * A failure is "error STATUS".
 */
#include <windows.h>
#include <winternl.h>

NTSTATUS NTAPI NtOpenDirectoryObject(HANDLE *, ACCESS_MASK, OBJECT_ATTRIBUTES *);
NTSTATUS NTAPI NtQueryDirectoryObject(HANDLE, void *, ULONG, BOOLEAN, BOOLEAN, ULONG *, ULONG *);
NTSTATUS NTAPI NtOpenSection(HANDLE *, ACCESS_MASK, OBJECT_ATTRIBUTES *);
NTSTATUS NTAPI NtQuerySection(HANDLE, int, void *, SIZE_T, SIZE_T *);
NTSTATUS NTAPI NtOpenEvent(HANDLE *, ACCESS_MASK, OBJECT_ATTRIBUTES *);
NTSTATUS NTAPI NtQueryEvent(HANDLE, int, void *, ULONG, ULONG *);
NTSTATUS NTAPI NtOpenMutant(HANDLE *, ACCESS_MASK, OBJECT_ATTRIBUTES *);

enum { LINE = 4096, NAME = 1200, ANSWER = 65536 };
typedef struct {
    void *base;
    ULONG attributes;
    LARGE_INTEGER size;
} SECTION_FACTS;
typedef struct {
    LONG type;
    LONG state;
} EVENT_FACTS;
typedef struct {
    ULONG attributes, access, handles, pointers, reserved[10];
} OBJECT_FACTS; /* OBJECT_BASIC_INFORMATION */

static char out[ANSWER], line[LINE], input[LINE];
static DWORD used, input_used, input_at;

static void flush(void)
{
    DWORD at = 0, written;
    while (at < used &&
           WriteFile(GetStdHandle(STD_OUTPUT_HANDLE), out + at, used - at, &written, NULL) &&
           written)
        at += written;
    used = 0;
}

static void put(char c)
{
    if (used == ANSWER)
        flush();
    out[used++] = c;
}

static void say(const char *text)
{
    while (*text)
        put(*text++);
}

static void say_number(ULONGLONG value)
{
    char digits[16];
    int n = 0;
    put(' ');
    do
        digits[n++] = "0123456789abcdef"[value & 15];
    while (value >>= 4);
    while (n)
        put(digits[--n]);
}

static void say_wide(const WCHAR *text, int length)
{
    if (used > ANSWER - LINE)
        flush();
    if (length > NAME)
        length = NAME;
    used += WideCharToMultiByte(CP_UTF8, 0, text, length, out + used, LINE, NULL, NULL);
}

/* The next line of the input without its end; 0 at the end of the input, and for a line that is too
 * long. */
static int read_line(void)
{
    DWORD n = 0;
    for (;;) {
        if (input_at == input_used) {
            input_at = 0;
            if (!ReadFile(GetStdHandle(STD_INPUT_HANDLE), input, LINE, &input_used, NULL) ||
                !input_used)
                return 0;
        }
        char c = input[input_at++];
        if (c == '\n')
            break;
        if (n == LINE - 1)
            return 0;
        line[n++] = c;
    }
    line[n] = 0;
    return 1;
}

/* The word at *at, ended there; *at goes to what is behind it. */
static char *word(char **at)
{
    char *start = *at;
    while (**at && **at != ' ')
        ++*at;
    if (**at)
        *(*at)++ = 0;
    return start;
}

static ULONGLONG number(char **at)
{
    ULONGLONG value = 0;
    for (const char *c = word(at); *c; c++)
        value = value << 4 | (ULONGLONG)(*c <= '9' ? *c - '0' : (*c | 32) - 'a' + 10);
    return value;
}

static int is(const char *one, const char *other)
{
    while (*one && *one == *other)
        one++, other++;
    return *one == *other;
}

/* Whether a name begins with a word of lower case letters and a backslash, in any case; its length.
 */
static int prefix(const WCHAR *name, const char *text)
{
    int n = 0;
    while (text[n]) {
        if ((name[n] | 32) != text[n])
            return 0;
        n++;
    }
    return name[n] == '\\' ? n + 1 : 0;
}

/* Local\x, Global\x or x as the full name of an object. */
static OBJECT_ATTRIBUTES *full_name(const char *text)
{
    static WCHAR given[LINE], path[LINE + 64];
    static UNICODE_STRING string;
    static OBJECT_ATTRIBUTES attributes;
    const WCHAR *name = given, *part = L"\\Sessions\\";
    WCHAR digits[12];
    DWORD session = 0;
    int n = 0, k = 0, global, local;
    given[MultiByteToWideChar(CP_UTF8, 0, text, -1, given, LINE - 1)] = 0;
    ProcessIdToSessionId(GetCurrentProcessId(), &session);
    global = prefix(name, "global");
    local = prefix(name, "local");
    if (session && !global) {
        while (*part)
            path[n++] = *part++;
        do
            digits[k++] = (WCHAR)('0' + session % 10);
        while (session /= 10);
        while (k)
            path[n++] = digits[--k];
    }
    for (part = L"\\BaseNamedObjects\\"; *part;)
        path[n++] = *part++;
    for (name += global ? global : local; *name;)
        path[n++] = *name++;
    path[n] = 0;
    string.Buffer = path;
    string.Length = string.MaximumLength = (USHORT)(n * sizeof(WCHAR));
    InitializeObjectAttributes(&attributes, &string, OBJ_CASE_INSENSITIVE, NULL, NULL);
    return &attributes;
}

static ULONGLONG size_of(const char *directory, UNICODE_STRING *leaf)
{
    static char name[LINE];
    SECTION_FACTS facts = {0};
    HANDLE section;
    int n = 0;
    while (directory[n]) {
        name[n] = directory[n];
        n++;
    }
    n += WideCharToMultiByte(CP_UTF8, 0, leaf->Buffer, leaf->Length / 2, name + n, LINE - 64, NULL,
                             NULL);
    name[n] = 0;
    if (NtOpenSection(&section, SECTION_QUERY, full_name(name)))
        return 0;
    NtQuerySection(section, 0, &facts, sizeof facts, NULL);
    NtClose(section);
    return (ULONGLONG)facts.size.QuadPart;
}

static NTSTATUS list(const char *directory)
{
    static union {
        char bytes[8192];
        struct {
            UNICODE_STRING name, type;
        } entry;
    } found;
    OBJECT_ATTRIBUTES *attributes = full_name(directory);
    ULONG context = 0, length;
    HANDLE handle;
    NTSTATUS status;
    attributes->ObjectName->Length -= sizeof(WCHAR); /* without the backslash at the end */
    if ((status = NtOpenDirectoryObject(&handle, 3, attributes)))
        return status;
    while (
        !NtQueryDirectoryObject(handle, &found, sizeof found, TRUE, !context, &context, &length)) {
        static const WCHAR kind[] = L"Section";
        UNICODE_STRING *type = &found.entry.type;
        int section = type->Length == sizeof kind - sizeof(WCHAR);
        for (int n = 0; section && n < 7; n++)
            section = type->Buffer[n] == kind[n];
        say("entry ");
        say_wide(type->Buffer, type->Length / 2);
        say_number(section ? size_of(directory, &found.entry.name) : 0);
        put(' ');
        say(directory);
        say_wide(found.entry.name.Buffer, found.entry.name.Length / 2);
        put('\n');
    }
    NtClose(handle);
    return 0;
}

static NTSTATUS last(void)
{
    return (NTSTATUS)(0xC0070000u | GetLastError());
}

static NTSTATUS open_section(ULONG access, const char *name)
{
    SECTION_FACTS facts = {0};
    HANDLE section;
    void *view;
    NTSTATUS status = NtOpenSection(&section, access, full_name(name));
    if (status)
        return status;
    NtQuerySection(section, 0, &facts, sizeof facts, NULL);
    view = MapViewOfFile(section, access & SECTION_MAP_WRITE ? FILE_MAP_WRITE : FILE_MAP_READ, 0, 0,
                         1);
    if (!view) {
        status = last();
        NtClose(section);
        return status;
    }
    say("ok");
    say_number((ULONG_PTR)section);
    say_number((ULONG_PTR)view);
    say_number((ULONGLONG)facts.size.QuadPart);
    say_number(facts.attributes);
    return 0;
}

static NTSTATUS share(ULONG access, ULONGLONG size, const char *path, const char *name)
{
    static WCHAR wide_path[LINE], wide_name[LINE];
    HANDLE file, section;
    MultiByteToWideChar(CP_UTF8, 0, path, -1, wide_path, LINE);
    MultiByteToWideChar(CP_UTF8, 0, name, -1, wide_name, LINE);
    file = CreateFileW(wide_path, GENERIC_READ | (access & SECTION_MAP_WRITE ? GENERIC_WRITE : 0),
                       7, NULL, OPEN_EXISTING, 0, NULL);
    if (file == INVALID_HANDLE_VALUE)
        return last();
    SetLastError(0);
    section =
        CreateFileMappingW(file, NULL, access & SECTION_MAP_WRITE ? PAGE_READWRITE : PAGE_READONLY,
                           (DWORD)(size >> 32), (DWORD)size, wide_name);
    if (!section || GetLastError() == ERROR_ALREADY_EXISTS) {
        NTSTATUS status = last();
        if (section)
            CloseHandle(section);
        CloseHandle(file);
        return status;
    }
    CloseHandle(file);
    say("ok");
    return 0;
}

static NTSTATUS open_waitable(int event, const char *name)
{
    EVENT_FACTS facts = {0};
    HANDLE handle;
    NTSTATUS status = event ? NtOpenEvent(&handle, EVENT_ALL_ACCESS, full_name(name))
                            : NtOpenMutant(&handle, MUTEX_ALL_ACCESS, full_name(name));
    if (status)
        return status;
    if (event)
        NtQueryEvent(handle, 0, &facts, sizeof facts, NULL);
    say("ok");
    say_number((ULONG_PTR)handle);
    say_number(event && !facts.type);
    return 0;
}

static NTSTATUS obey(void)
{
    char *at = line, *verb = word(&at);
    HANDLE handle;
    if (is(verb, "ls")) {
        NTSTATUS status = list("Local\\");
        DWORD session = 0;
        if (!status && ProcessIdToSessionId(GetCurrentProcessId(), &session) && session)
            status = list("Global\\");
        if (!status)
            say("ok");
        return status;
    }
    if (is(verb, "section")) {
        ULONG access = (ULONG)number(&at);
        return open_section(access, at);
    }
    if (is(verb, "event") || is(verb, "mutex"))
        return open_waitable(verb[0] == 'e', at);
    if (is(verb, "share")) {
        ULONG access = (ULONG)number(&at);
        ULONGLONG size = number(&at);
        char *path = word(&at);
        return share(access, size, path, at);
    }
    if (is(verb, "hello")) {
        DWORD session = 0;
        ProcessIdToSessionId(GetCurrentProcessId(), &session);
        say("ok");
        say_number(sizeof(void *) * 8);
        say_number(session);
        return 0;
    }
    handle = (HANDLE)(ULONG_PTR)number(&at);
    if (is(verb, "wait")) {
        DWORD result = WaitForSingleObject(handle, (DWORD)number(&at));
        if (result == WAIT_FAILED)
            return last();
        say("ok");
        say_number(result);
        return 0;
    }
    if (is(verb, "count")) {
        OBJECT_FACTS facts = {0};
        NTSTATUS status = NtQueryObject(handle, ObjectBasicInformation, &facts, sizeof facts, NULL);
        if (status)
            return status;
        say("ok");
        say_number(facts.handles);
        return 0;
    }
    if (is(verb, "set")       ? !SetEvent(handle)
        : is(verb, "reset")   ? !ResetEvent(handle)
        : is(verb, "release") ? !ReleaseMutex(handle)
        : is(verb, "close")
            ? !(UnmapViewOfFile((void *)(ULONG_PTR)number(&at)) & CloseHandle(handle))
            : 1)
        return last();
    say("ok");
    return 0;
}

void start(void)
{
    while (read_line()) {
        NTSTATUS status = obey();
        if (status) {
            say("error");
            say_number((ULONG)status);
        }
        put('\n');
        flush();
    }
    ExitProcess(0);
}
