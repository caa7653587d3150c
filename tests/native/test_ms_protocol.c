/* SPDX-License-Identifier: MIT
 *
 * The steps of the protocol one by one: what they make, what they find, what they leave.
 */
#include "protocol.h"

static void a_body_is_whole_when_it_is_made(void)
{
    ms_body_made made;
    int fd = make_object(-1, MS_BODY_SEAL, &made);
    CHECK(fd >= 0 && fd == made.fd);
    CHECK(made.file.size == DATA_SIZE + MS_PAGE_SIZE && made.file.is_regular);
    CHECK(fcntl(fd, F_GET_SEALS) == (F_SEAL_GROW | F_SEAL_SHRINK));
    CHECK(!is_unlocked(fd));
    ms_page page;
    CHECK(pread(fd, &page, sizeof page, DATA_SIZE) == sizeof page);
    CHECK(page.creator_pid == (uint32_t)getpid() && page.size == DATA_SIZE);
    CHECK(page.name_at == MS_PAGE_TEXT_AT && page.name_length == NAME.length);
    char name[7];
    CHECK(pread(fd, name, 7, DATA_SIZE + MS_PAGE_TEXT_AT) == 7 && !memcmp(name, NAME.text, 7));
    CHECK(ms_body_same_page(fd, made.file.size, made.page, made.page_size));
    CHECK(pwrite(fd, "x", 1, DATA_SIZE + 20) == 1);
    CHECK(!ms_body_same_page(fd, made.file.size, made.page, made.page_size));
    CHECK(!ms_body_same_page(fd, 100, made.page, made.page_size));
    CHECK(!ms_body_same_page(fd, made.file.size, made.page, MS_PAGE_SIZE + 1));
    close(fd);
}

static void texts_in_pages_of_their_own_come_before_the_control_page(void)
{
    static char area[MS_PAGE_SIZE + 300];
    ms_body_made made;
    ms_body_plan plan = plan_of(MS_BODY_SEAL);
    memset(area, 't', MS_PAGE_SIZE);
    memcpy(area + MS_PAGE_SIZE, plan.area, 300);
    plan.area = area;
    plan.area_size = sizeof area;
    plan.page_at = MS_PAGE_SIZE;
    plan.name_length = 0;
    int fd = ms_body_make(-1, DATA_SIZE + 2 * MS_PAGE_SIZE);
    CHECK(fd >= 0 && ms_body_finish(fd, &plan, &made) == 0);
    char text;
    CHECK(pread(fd, &text, 1, DATA_SIZE + MS_PAGE_SIZE - 1) == 1 && text == 't');
    CHECK(ms_body_same_page(fd, made.file.size, made.page, made.page_size));
    plan.page_at = sizeof area + 1; /* what makes no sense is refused, and nothing is written */
    CHECK(ms_body_finish(fd, &plan, &made) == -EINVAL);
    plan.page_at = sizeof area - 10;
    CHECK(ms_body_finish(fd, &plan, &made) == -EINVAL);
    plan.page_at = MS_PAGE_SIZE;
    plan.name_length = MS_PAGE_SIZE;
    CHECK(ms_body_finish(fd, &plan, &made) == -EINVAL);
    close(fd);
}

static void a_handle_that_may_only_read_has_such_a_descriptor(void)
{
    ms_body_made made;
    int fd = make_object(-1, MS_BODY_SEAL | MS_BODY_READ_ONLY, &made);
    CHECK(fd >= 0 && (fcntl(fd, F_GETFL) & O_ACCMODE) == O_RDONLY && !is_unlocked(fd));
    int before = descriptors();
    int writable = ms_description_reopen(fd, 1);
    CHECK(writable >= 0 && descriptors() == before + 1);
    close(writable);
    close(fd);
}

static void the_owner_opens_what_the_mode_denies(void)
{
    int fd = memfd_create("body", MFD_CLOEXEC);
    struct stat st;
    CHECK(fd >= 0 && fchmod(fd, 0) == 0);
    int other = ms_description_reopen(fd, 1);
    CHECK(other >= 0 && (fcntl(other, F_GETFL) & O_ACCMODE) == O_RDWR);
    CHECK(fstat(fd, &st) == 0 && (st.st_mode & 07777) == 0);
    close(other);
    close(fd);
    CHECK(ms_description_reopen(fd, 0) == -ENOENT);
}

static void a_position_tells_a_handle(void)
{
    int fd = memfd_create("body", MFD_CLOEXEC);
    uint64_t position;
    CHECK(ms_description_is_live(fd) == 0 && ms_description_revoke(fd) == 0);
    CHECK(ms_description_set(fd, MS_HANDLE_TAG | 3, 1) == 0 && fcntl(fd, F_GETFD) == 0);
    CHECK(ms_description_is_live(fd) == 1);
    CHECK(ms_description_revoke(fd) == 1 && ms_description_is_live(fd) == 0);
    CHECK(ms_description_position(fd, &position) == 0);
    CHECK(position == (MS_HANDLE_TAG | MS_HANDLE_REVOKED | 3));
    close(fd);
    CHECK(ms_description_is_live(fd) == -EBADF);
}

static void a_copy_is_a_handle_of_its_own(void)
{
    object one = named_object();
    uint64_t position;
    int copy = ms_description_copy(one.fd, 0, MS_HANDLE_TAG | 5);
    CHECK(copy >= 0 && ms_description_is_live(copy) == 1);
    CHECK(ms_description_position(copy, &position) == 0 && position == (MS_HANDLE_TAG | 5));
    CHECK(ms_description_revoke(copy) == 1 && ms_description_is_live(one.fd) == 1);
    int other = ms_description_reopen(one.fd, 0);
    CHECK(flock(one.fd, LOCK_UN) == 0);
    CHECK(ms_description_lock(other, LOCK_EX) == 0); /* the copy has a lock too */
    close(copy);
    CHECK(ms_description_lock(other, LOCK_EX) == 1);
    int before = descriptors();
    CHECK(ms_description_copy(one.fd, 0, MS_HANDLE_TAG | 5) == -EWOULDBLOCK);
    CHECK(descriptors() == before);
    close(other);
    CHECK(flock(one.fd, LOCK_SH | LOCK_NB) == 0);
    close_object(&one);
}

static void what_is_remembered_of_a_body_is_compared(void)
{
    ms_body_made made;
    uint64_t size = DATA_SIZE + MS_PAGE_SIZE;
    int fd = make_object(-1, MS_BODY_SEAL, &made);
    CHECK(ms_body_is_unchanged(fd, size, made.page, made.page_size) == 1);
    uint32_t flags = MS_PAGE_SUPERSEDED;
    CHECK(pwrite(fd, &flags, 4, DATA_SIZE + (off_t)offsetof(ms_page, flags)) == 4);
    CHECK(ms_body_is_unchanged(fd, size, made.page, made.page_size) == 0);
    close(fd);
    fd = make_object(-1, 0, &made); /* the same, but somebody could cut it */
    CHECK(ms_body_same_page(fd, size, made.page, made.page_size) == 1);
    CHECK(ms_body_is_unchanged(fd, size, made.page, made.page_size) == 0);
    close(fd);
}

static void the_last_close_takes_the_probe_with_it(void)
{
    object one = named_object();
    int probe = -1, before = descriptors();
    CHECK(ms_name_exists(directory, NAME.file) == 1);
    CHECK(ms_name_close_last(one.fd, &probe, directory, NAME.file, one.locator, 0, 0) == 1);
    CHECK(probe == -1 && descriptors() == before - 1);
    CHECK(ms_name_exists(directory, NAME.file) == 0);
    close(one.locator);
    one = named_object();
    int other = ms_description_copy(one.fd, 0, MS_HANDLE_TAG);
    CHECK(ms_name_close_last(one.fd, &probe, directory, NAME.file, one.locator, 0, 0) == 0);
    CHECK(probe >= 0); /* somebody may have to ask again */
    CHECK(ms_name_close_last(other, &probe, directory, NAME.file, one.locator, 0, 0) == 1);
    CHECK(probe == -1);
    close(one.locator);
}

static void a_name_leads_to_its_living_body(void)
{
    ms_found_body found;
    CHECK(find_object(&found) == -ENOENT);
    object one = named_object();
    CHECK(publish_object(&(object){.fd = one.fd, .made = one.made}) == -EEXIST);
    CHECK(find_object(&found) == MS_FOUND && found.is_writable);
    CHECK(found.file.inode == one.made.file.inode && found.source.fd == (uint32_t)one.fd);
    int probe = -1; /* somebody else has it, so the name stays */
    CHECK(ms_name_close_last(dup(one.fd), &probe, directory, NAME.file, one.locator, 0, 1) == 0);
    close(probe);
    CHECK(name_exists(NAME.file));
    let_go(&found);
    CHECK(ms_name_is_free(directory, NAME.file) == 0);
    close_object(&one);
    CHECK(find_object(&found) == -ENOENT);
    CHECK(ms_name_is_free(directory, NAME.file) == -ENOENT);
}

static void hints_are_only_hints(void)
{
    ms_found_body found;
    object one = named_object();
    ms_name name = name_here();
    ms_hint none[MS_HINTS] = {{0}}, lie = {(uint32_t)getpid(), (uint32_t)directory};
    ms_name_leave_hint(one.locator, none, 0, lie);
    CHECK(find_object(&found) == MS_LOST); /* it lives, but nobody says where */
    ms_located locator;
    CHECK(ms_name_open_locator(&name, geteuid(), 1, &locator) == MS_FOUND);
    CHECK(!locator.is_exclusive); /* the object's process has it */
    CHECK(locator.head.inode == one.made.file.inode);
    CHECK(ms_name_sweep(locator.fd, directory, name.file) == 0 && name_exists(NAME.file));
    close(locator.fd);
    ms_name_leave_hint(one.locator, none, 3, (ms_hint){(uint32_t)getpid(), (uint32_t)one.fd});
    CHECK(find_object(&found) == MS_FOUND);
    CHECK(found.locator.head.hints[3].fd == (uint32_t)one.fd);
    off_t size = lseek(found.locator.fd, 0, SEEK_END);
    ms_name_leave_hint(found.locator.fd, found.locator.head.hints, 5, found.source);
    CHECK(lseek(found.locator.fd, 0, SEEK_END) == size);
    let_go(&found);
    name.checksum++; /* another PID namespace, another name's locator */
    CHECK(ms_name_find(&name, geteuid(), PID_NAMESPACE, 1, &found) == MS_DAMAGED);
    name.checksum--;
    CHECK(ms_name_find(&name, geteuid(), PID_NAMESPACE + 1, 1, &found) == MS_LOST);
    CHECK(ms_name_find(&name, geteuid() + 1, PID_NAMESPACE, 1, &found) == MS_PLANTED);
    CHECK(found.locator.owner == geteuid());
    close_object(&one);
}

static void what_the_dead_left_is_swept(void)
{
    ms_found_body found;
    object one = named_object();
    int view =
        ms_description_reopen(one.fd, 1); /* a view's description keeps the body, never the name */
    close(one.fd);
    CHECK(dup2(view, one.fd) == one.fd); /* where the hint says */
    close(view);
    CHECK(find_object(&found) == MS_SWEPT && !name_exists(NAME.file));
    close(one.fd);
    close(one.locator);

    one = named_object();
    close(one.fd);
    close(one.locator); /* nobody has anything of it any more */
    CHECK(find_object(&found) == MS_LOST);
    ms_name name = name_here();
    ms_located locator;
    CHECK(ms_name_open_locator(&name, geteuid(), 1, &locator) == MS_FOUND && locator.is_exclusive);
    CHECK(ms_name_sweep(locator.fd, directory, name.file) == 1 && !name_exists(NAME.file));
    CHECK(ms_name_sweep(locator.fd, directory, name.file) == 1); /* once more removes nothing */
    close(locator.fd);
}

static void a_successor_keeps_its_name(void)
{
    object old = named_object();
    CHECK(unlinkat(directory, NAME.file, 0) == 0); /* swept by somebody between two calls of ours */
    object new = named_object();
    int probe = -1;
    CHECK(ms_name_close_last(old.fd, &probe, directory, NAME.file, old.locator, 0, 1) == 1);
    CHECK(name_exists(NAME.file));
    close(probe);
    close(old.locator);

    ms_body_made made; /* and where the locator is looked for by the name */
    int fd = make_object(-1, MS_BODY_SEAL, &made);
    ms_name_give_up(fd, directory, NAME.file, 0);
    CHECK(name_exists(NAME.file) && fcntl(fd, F_GETFD) < 0);
    probe = ms_description_reopen(new.fd, 0);
    close(new.fd);
    CHECK(ms_name_unlink_if_last(probe, directory, NAME.file, -1, 0) == 1);
    CHECK(!name_exists(NAME.file) && is_unlocked(probe));
    close(probe);
    close(new.locator);
}

static void what_was_planted_is_told(void)
{
    ms_found_body found;
    ms_file status;
    int body, is_writable;
    CHECK(mkfifoat(directory, NAME.file, 0600) == 0);
    CHECK(find_object(&found) == MS_PLANTED);
    CHECK(ms_name_find_body(directory, NAME.file, 1, &body, &status, &is_writable) == MS_PLANTED);
    CHECK(unlinkat(directory, NAME.file, 0) == 0);
    CHECK(symlinkat("/dev/null", directory, NAME.file) == 0);
    CHECK(find_object(&found) == -ELOOP);
    CHECK(ms_name_find_body(directory, NAME.file, 1, &body, &status, &is_writable) == -ELOOP);
    CHECK(unlinkat(directory, NAME.file, 0) == 0);
    int file = openat(directory, NAME.file, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
    CHECK(find_object(&found) == MS_DAMAGED);
    CHECK(flock(file, LOCK_EX) == 0 && find_object(&found) == MS_BUSY);
    CHECK(unlinkat(directory, NAME.file, 0) == 0);
    close(file);
}

static void a_global_name_is_its_body(void)
{
    ms_body_made made;
    ms_file status;
    int body, writable, fd = make_object(directory, 0, &made);
    CHECK(fd >= 0 && ms_name_link(fd, directory, NAME.file) == 0);
    CHECK(ms_name_link(fd, directory, NAME.file) == -EEXIST);
    CHECK(ms_name_find_body(directory, NAME.file, 1, &body, &status, &writable) == MS_FOUND);
    CHECK(writable && status.inode == made.file.inode && status.links == 1);
    CHECK(ms_name_hold_body(body, directory, NAME.file) == MS_FOUND);
    int probe = -1;
    CHECK(ms_name_close_last(fd, &probe, directory, NAME.file, -1, 1, 1) == 0);
    CHECK(ms_name_unlink_if_last(probe, directory, NAME.file, -1, 1) == 0);
    uint32_t flags = MS_PAGE_PERMANENT;
    CHECK(pwrite(body, &flags, 4, DATA_SIZE + (off_t)offsetof(ms_page, flags)) == 4);
    close(body);
    CHECK(ms_name_unlink_if_last(probe, directory, NAME.file, -1, 1) == 1);
    CHECK(name_exists(NAME.file)); /* it lives without handles */
    CHECK(ms_name_find_body(directory, NAME.file, 1, &body, &status, &writable) == MS_FOUND);
    CHECK(ms_name_hold_body(body, directory, NAME.file) == MS_FOUND);
    ms_name_give_up(body, directory, NAME.file, 1);
    CHECK(name_exists(NAME.file));
    CHECK(ms_name_find_body(directory, NAME.file, 1, &body, &status, &writable) == MS_FOUND);
    CHECK(ms_name_hold_body(body, directory, NAME.file) == MS_FOUND);
    flags = 0;
    CHECK(pwrite(body, &flags, 4, DATA_SIZE + (off_t)offsetof(ms_page, flags)) == 4);
    ms_name_give_up(body, directory, NAME.file, 1);
    CHECK(!name_exists(NAME.file));
    close(probe);

    fd = make_object(directory, 0, &made);
    CHECK(fd >= 0 && ms_name_link(fd, directory, NAME.file) == 0);
    close(fd);
    CHECK(ms_name_find_body(directory, NAME.file, 0, &body, &status, &writable) == MS_FOUND);
    CHECK(ms_name_hold_body(body, directory, NAME.file) == MS_SWEPT && !name_exists(NAME.file));
    close(body);
}

static void views_are_at_the_granularity_and_come_back(void)
{
    static ms_addresses addresses;
    ms_body_made made;
    int fd = make_object(-1, MS_BODY_SEAL, &made);
    uint64_t first, second, big;
    CHECK(ms_mapping_map(&addresses, fd, DATA_SIZE, PROT_READ, MAP_SHARED, 0, &first) == 0);
    CHECK(first % MS_GRANULARITY == 0);
    CHECK(ms_mapping_unmap(&addresses, first, DATA_SIZE) == 0);
    CHECK(ms_mapping_map(&addresses, fd, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, 0, &second) ==
          0);
    CHECK(second == first);
    ms_mapping_populate(second, 4096);
    CHECK(ms_mapping_map(&addresses, -1, 4 << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, 0,
                         &big) == 0);
    CHECK(big % (2 << 20) == 0);
    CHECK(ms_mapping_unmap(NULL, big, 4 << 20) == 0);
    ms_mapping_reuse(&addresses, big, 4 << 20);
    addresses.next = 1; /* no idea where: the kernel's choice is trimmed to the granularity */
    for (int i = 0; i < 3; i++) {
        uint64_t at;
        int before = mappings();
        CHECK(ms_mapping_map(&addresses, fd, 4096, PROT_READ, MAP_SHARED, 0, &at) == 0);
        CHECK(at % MS_GRANULARITY == 0 && mappings() <= before + 1);
    }
    CHECK(ms_mapping_map(&addresses, directory, 4096, PROT_READ, MAP_SHARED, 0, &first) == -ENODEV);
    CHECK(ms_mapping_unmap(&addresses, second, 4096) == 0);
    for (int i = 0; i < 2 * MS_ADDRESSES_EACH; i++)
        ms_mapping_reuse(&addresses, second, 4096);
    close(fd);
}

static void *churns(void *number)
{
    (void)number;
    for (int i = 0; i < 200; i++) {
        ms_found_body found;
        object one;
        one.fd = make_object(-1, MS_BODY_SEAL, &one.made);
        CHECK(one.fd >= 0);
        int failure = publish_object(&one);
        if (failure) {
            CHECK(failure == -EEXIST || failure == -EWOULDBLOCK);
            close(one.fd);
            int outcome = find_object(&found);
            CHECK(outcome == -ENOENT || (outcome >= MS_FOUND && outcome <= MS_LOST));
            if (outcome != MS_FOUND)
                continue;
            ms_name_give_up(found.body, directory, NAME.file, 0);
            close(found.locator.fd);
        } else {
            int probe = -1;
            CHECK(ms_name_close_last(one.fd, &probe, directory, NAME.file, one.locator, 0, 1) >= 0);
            close(probe);
            close(one.locator);
        }
    }
    return NULL;
}

static void threads_agree_about_one_name(void)
{
    int before = descriptors();
    together(4, churns);
    CHECK(descriptors() == before);
    unlinkat(directory, NAME.file, 0);
}

int main(void)
{
    begin();
    int before = descriptors();
    a_body_is_whole_when_it_is_made();
    texts_in_pages_of_their_own_come_before_the_control_page();
    a_handle_that_may_only_read_has_such_a_descriptor();
    the_owner_opens_what_the_mode_denies();
    a_position_tells_a_handle();
    a_copy_is_a_handle_of_its_own();
    what_is_remembered_of_a_body_is_compared();
    a_name_leads_to_its_living_body();
    the_last_close_takes_the_probe_with_it();
    hints_are_only_hints();
    what_the_dead_left_is_swept();
    a_successor_keeps_its_name();
    what_was_planted_is_told();
    a_global_name_is_its_body();
    views_are_at_the_granularity_and_come_back();
    threads_agree_about_one_name();
    CHECK(descriptors() == before);
    end();
    return 0;
}
