/* SPDX-License-Identifier: MIT
 *
 * Steps on names: giving one to a body, finding the body of one, removing one with its last handle.
 *
 * The file of a Local name is a locator, which says where the body is; the file of a Global name is
 * the body itself. A step takes no lock that it waits for and tries nothing twice: what it says is
 * for the caller, who looks again.
 */
#ifndef MS_NAME_H
#define MS_NAME_H

#include "ms_body.h"
#include "ms_layout.h"

/* What finding came to.  Only with MS_FOUND anything is kept, if nothing else is said. */
enum ms_outcome {
    MS_FOUND = 0,
    MS_GONE = 1,    /* it was just ending: look again */
    MS_SWEPT = 2,   /* nobody had it any more, and its name was removed: look again */
    MS_BUSY = 3,    /* somebody has an exclusive lock: look again after a moment */
    MS_LOST = 4,    /* it lives perhaps, but where is not known: search */
    MS_DAMAGED = 5, /* the locator makes no sense */
    MS_PLANTED = 6  /* no file that this library makes: somebody put it there */
};

/* A name: its file in a directory, and the text that its locator has to have. */
typedef struct {
    int directory;
    const char *file, *text;
    uint32_t length, checksum;
} ms_name;

/* A locator that is open and locked. */
typedef struct {
    int fd, is_exclusive;
    uint32_t owner; /* user */
    ms_locator head;
} ms_located;

/* The body of a name, alive and locked. */
typedef struct {
    int body, is_writable;
    ms_file file;
    ms_hint source; /* whose descriptor led to it */
    ms_located locator;
} ms_found_body;

/* ------------------------------------------------------------------ Local names */

/* A locator without a name, locked shared as long as its process has the object (L6); its
 * descriptor. */
int ms_name_make_locator(const ms_name *name, uint32_t type, uint64_t device, uint64_t inode,
                         uint64_t pid_namespace, ms_hint creator);

/* Give a file without a name this one; -EEXIST when it is taken.  Where the directory is gone, file
 * systems say -ENOENT, ext4 -EPERM. */
int ms_name_link(int fd, int directory, const char *file);

/* Open, check and lock a locator; `alone` tries for the exclusive lock first.  MS_FOUND, and
 * MS_DAMAGED which leaves it open too; MS_GONE, MS_BUSY, MS_PLANTED; or a negative errno. */
int ms_name_open_locator(const ms_name *name, uint32_t uid, int alone, ms_located *locator);

/* The body that a locator leads to, by its hints; an outcome or a negative errno. */
int ms_name_find(const ms_name *name, uint32_t uid, uint64_t pid_namespace, int writable,
                 ms_found_body *found);

/* Whether a body just opened is alive (L4): its shared lock is taken then.  An outcome or a
 * negative errno; the descriptors stay the caller's in every case. */
int ms_name_hold(int body, int locator, int is_exclusive, int directory, const char *file);

/* Remove a locator whose body nobody has, unless somebody holds it (L6): 1, or 0 when somebody
 * does. */
int ms_name_sweep(int locator, int directory, const char *file);

/* Say in a locator that this process has the body, unless `hints` says so.  Hints are verified by
 * who uses them, so that no lock is needed and a failure is none. */
void ms_name_leave_hint(int locator, const ms_hint hints[MS_HINTS], int slot, ms_hint mine);

/* ------------------------------------------------------------------ Global names */

/* The body that is the file of a name, not locked; MS_FOUND, MS_GONE, MS_PLANTED, or a negative
 * errno. */
int ms_name_find_body(int directory, const char *file, int writable, int *body, ms_file *status,
                      int *is_writable);

/* Whether it is alive, as ms_name_hold. */
int ms_name_hold_body(int body, int directory, const char *file);

/* 1 where nobody has a lock on a file, be it a locator or a body; 0 where somebody has. */
int ms_name_is_free(int directory, const char *file);

/* 1 where anything has this name in a directory, 0 where nothing has. */
int ms_name_exists(int directory, const char *file);

/* ------------------------------------------------------------------ the last close */

/* Remove the name of a body if it leads to it, and nobody has a handle: 1, or 0 when somebody has
 * one.  Asked through a description of the body without a lock (L3), which has none afterwards
 * either; with its locator, or -1. */
int ms_name_unlink_if_last(int probe, int directory, const char *file, int locator, int is_body);

/* Close a handle that is the last of its process, and remove the name if it was the last of all; as
 * above.  Without a probe one is opened and stays the caller's in `*probe`; where it was the last
 * and the caller does not keep the probe, that is closed too, and -1. */
int ms_name_close_last(int fd, int *probe, int directory, const char *file, int locator,
                       int is_body, int keeps);

/* Close a locked description that became no handle; if it was the last by then, the name goes (L3).
 */
void ms_name_give_up(int fd, int directory, const char *file, int is_body);

#endif
