/* A camera that is no camera: V4L2 by the kernel's own header, for a program started with LD_PRELOAD.
   It has one format, YUYV of 64 x 48, a picture each 5 ms, and vanishes after 12 pictures; opened again, it is there. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/videodev2.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { WIDTH = 64, HEIGHT = 48, LINE = 144, SIZE = LINE * HEIGHT, ROOM = 8192, BUFFERS = 4, ALL = 12 };
static int camera = -1, queued[BUFFERS], streams, given;
static double began;

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int opened(const char *path) {
    if (strcmp(path, "/dev/video-double") != 0) return -2;
    camera = memfd_create("camera", 0);
    given = streams = 0;
    return ftruncate(camera, BUFFERS * ROOM) ? -1 : camera;
}

int open(const char *path, int flags, ...) {
    va_list rest;
    va_start(rest, flags);
    int mode = va_arg(rest, int), fd = opened(path);
    va_end(rest);
    return fd != -2 ? fd : ((int (*)(const char *, int, ...))dlsym(RTLD_NEXT, "open"))(path, flags, mode);
}
int open64(const char *path, int flags, ...) __attribute__((alias("open")));

static int fail(int why) { errno = why; return -1; }

static int taken(struct v4l2_buffer *buffer) {
    if (!streams) return fail(EINVAL);
    if (given >= ALL) return fail(ENODEV);
    if (now() < began + 0.005 * given) return fail(EAGAIN);
    for (int i = 0; i < BUFFERS; i++) {
        if (!queued[i]) continue;
        unsigned char frame[SIZE];
        for (int at = 0; at < SIZE; at++) frame[at] = at % 2 ? 128 : (unsigned char)(16 + 10 * given);
        if (pwrite(camera, frame, SIZE, i * ROOM) != SIZE) return fail(EIO);
        queued[i] = 0;
        buffer->index = (unsigned)i;
        buffer->bytesused = SIZE;
        buffer->flags = given == 3 ? V4L2_BUF_FLAG_ERROR : 0;
        given++;
        return 0;
    }
    return fail(EAGAIN);
}

int ioctl(int fd, unsigned long request, ...) {
    va_list rest;
    va_start(rest, request);
    void *argument = va_arg(rest, void *);
    va_end(rest);
    if (fd != camera) return ((int (*)(int, unsigned long, ...))dlsym(RTLD_NEXT, "ioctl"))(fd, request, argument);
    struct v4l2_buffer *buffer = argument;
    struct v4l2_format *format = argument;
    switch ((unsigned)request) {
    case VIDIOC_QUERYCAP: {
        struct v4l2_capability *able = argument;
        able->capabilities = V4L2_CAP_DEVICE_CAPS;
        able->device_caps = V4L2_CAP_VIDEO_CAPTURE | V4L2_CAP_STREAMING;
        return 0;
    }
    case VIDIOC_S_FMT:
        if (format->type != V4L2_BUF_TYPE_VIDEO_CAPTURE) return fail(EINVAL);
        format->fmt.pix.width = WIDTH;
        format->fmt.pix.height = HEIGHT;
        format->fmt.pix.pixelformat = V4L2_PIX_FMT_YUYV;
        format->fmt.pix.bytesperline = LINE;
        return 0;
    case VIDIOC_REQBUFS: ((struct v4l2_requestbuffers *)argument)->count = BUFFERS; return 0;
    case VIDIOC_QUERYBUF:
        buffer->length = SIZE;
        buffer->m.offset = buffer->index * ROOM;
        return buffer->memory == V4L2_MEMORY_MMAP ? 0 : fail(EINVAL);
    case VIDIOC_QBUF: queued[buffer->index] = 1; return 0;
    case VIDIOC_DQBUF: return taken(buffer);
    case VIDIOC_STREAMON: streams = *(int *)argument == V4L2_BUF_TYPE_VIDEO_CAPTURE; began = now(); return 0;
    case VIDIOC_STREAMOFF: streams = 0; return 0;
    default: return fail(ENOTTY);
    }
}
