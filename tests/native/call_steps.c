/* SPDX-License-Identifier: MIT
 *
 * The calls of a service, for channel_steps.py: asking, answering, giving up, each as one function.
 */
#include "channel_steps.h"

/* Short bytes in `brief`, or a place. */
static int make(actor *one, uint64_t length, uint32_t seed, unsigned char *brief,
                ms_content *content)
{
    *content = (ms_content){.bytes = brief, .length = length, .format = 7};
    if (length <= MS_SHORT) {
        fill(brief, length, seed);
        return 0;
    }
    int result = ms_place_take(&one->end, length, &content->unit, &content->word);
    if (!result)
        fill(ms_place_bytes(&one->end, content->unit), length, seed);
    MS_STEP("call: made");
    return result;
}

int64_t channel_ask(actor *one, uint64_t length, uint32_t seed, int64_t timeout_ms)
{
    unsigned char brief[MS_SHORT];
    int result = ms_end_enter(&one->end);
    if (result || (result = make(one, length, seed, brief, &one->request)))
        return result;
    ms_await wait = begin(one, MS_FOR_ROOM, 0, timeout_ms);
    do
        result = ms_call_ask(&one->end, &one->request, &one->asked);
    while (result == -EAGAIN && !(result = patient(&wait)));
    ms_await_end(&wait, !result);
    if (result && one->request.word)
        ms_place_free(&one->end, one->request.unit, one->request.word);
    return result;
}

static int64_t finish(actor *one, int has_answer, int64_t result)
{
    ms_call_end(&one->end, &one->asked, has_answer);
    if (one->request.word)
        ms_place_free(&one->end, one->request.unit, one->request.word);
    return result;
}

/* The seed of the answer, or a negative errno; the call has ended. */
int64_t channel_answer(actor *one, int64_t timeout_ms)
{
    ms_message message;
    ms_await wait = begin(one, MS_FOR_ANSWER, 0, timeout_ms);
    wait.call = &one->asked;
    int result, found;
    while ((result = ms_call_state(&one->end, &one->asked)) == -EAGAIN)
        if ((found = patient(&wait))) {
            result = ms_call_state(&one->end, &one->asked);
            result = result == -EAGAIN ? found : result;
            break;
        }
    if (result)
        return finish(one, 0, result);
    result = ms_call_answer(&one->end, &one->asked, &message);
    int64_t seed = result ? result : check(message.bytes, message.length);
    MS_STEP("call: answer copied");
    finish(one, 1, 0);
    if (!result && message.in_place)
        ms_ring_release(&one->end, &message, 0);
    return seed;
}

int64_t channel_cancel(actor *one)
{
    return finish(one, 0, 0);
}

/* The seed of the next call, or a negative errno. */
int64_t channel_take(actor *one, int64_t timeout_ms)
{
    ms_message request;
    int result = ms_end_enter(&one->end);
    if (result)
        return result;
    ms_await wait = begin(one, MS_FOR_MESSAGE, 0, timeout_ms);
    for (;;) {
        result = ms_call_pull(&one->end, &one->taken, &request);
        if (result == -ESTALE)
            continue;
        if (!result) {
            one->seed = check(request.bytes, request.length);
            MS_STEP("serve: copied");
            result = ms_call_serve(&one->end, &one->taken);
            if (request.in_place)
                ms_ring_release(&one->end, &request, 0);
            if (result == -ESTALE)
                continue;
        }
        if ((result != -EAGAIN && result != -EBUSY) || (result = patient(&wait)))
            break;
    }
    ms_await_end(&wait, !result);
    if (!result)
        ms_end_keep(&one->end); /* what is in hand outlasts the end's close */
    return result ? result : one->seed;
}

int64_t channel_reply(actor *one, uint64_t length)
{
    unsigned char brief[MS_SHORT];
    ms_content answer;
    int result = make(one, length, (uint32_t)one->seed, brief, &answer);
    if (result)
        return result;
    result = ms_call_reply(&one->end, &one->taken, &answer);
    if (result && answer.word)
        ms_place_free(&one->end, answer.unit, answer.word);
    ms_end_release(&one->end);
    return result;
}

int64_t channel_drop(actor *one, int again)
{
    ms_call_drop(&one->end, &one->taken, again);
    ms_end_release(&one->end);
    return 0;
}

/* How many cells are in use. */
int64_t channel_cells(actor *one)
{
    int64_t busy = 0;
    for (uint32_t i = 0; i < one->end.calls; i++)
        busy += MS_CALL_STATE(one->end.cells[i].word) != MS_CALL_FREE;
    return busy;
}
