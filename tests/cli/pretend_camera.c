/* A pretend webcam for one process: preloaded (LD_PRELOAD), it makes /dev/video0 a V4L2 camera that shows a file.
 *
 *   gcc -O2 -shared -fPIC -o pretend_camera.so pretend_camera.c -ldl
 *
 * PRETEND_FRAMES  file of raw YUYV frames, shown again and again
 * PRETEND_SIZE    WIDTHxHEIGHT of these frames; asked for half of it, the camera shows their top left quarter
 * PRETEND_FPS     frames a second (30)
 * PRETEND_UNPLUG  number of frames after which the camera is gone (0: never)
 * PRETEND_BACK    seconds after which it is there again, and stays (0: never)
 * PRETEND_DELAY   seconds from when the camera takes a frame, which is the frame's time, to when it hands it over (0)
 * PRETEND_LOG     file that gets a line for each frame: its number, and when the camera took it (CLOCK_MONOTONIC)
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/videodev2.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define BUFFERS 4

static int camera = -1, film_width, film_height, width, height;
static int waiting[BUFFERS], first, count; /* a ring of the buffers that the program has queued */
static unsigned char *shared;
static int film;
static FILE *notes;
static size_t frame_size;
static long frames, taken, unplug_after;
static double interval, delay, due, back_after, gone_since;
static DIR *devices; /* /dev, while a program lists it */

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec * 1e-9;
}

static int real_open(const char *path, int flags, int mode) {
    int (*open_)(const char *, int, ...) = dlsym(RTLD_NEXT, "open");
    return open_(path, flags, mode);
}

__attribute__((constructor)) static void read_environment(void) {
    const char *size = getenv("PRETEND_SIZE"), *fps = getenv("PRETEND_FPS"), *unplug = getenv("PRETEND_UNPLUG");
    const char *back = getenv("PRETEND_BACK"), *late = getenv("PRETEND_DELAY");
    if (size) sscanf(size, "%dx%d", &film_width, &film_height);
    width = film_width;
    height = film_height;
    interval = 1 / (fps ? atof(fps) : 30);
    unplug_after = unplug ? atol(unplug) : 0;
    back_after = back ? atof(back) : 0;
    delay = late ? atof(late) : 0;
}

static int is_gone(void) {
    if (!unplug_after || taken < unplug_after) return 0;
    if (!gone_since) gone_since = now();
    if (!back_after || now() - gone_since < back_after) return 1;
    unplug_after = 0;
    return 0;
}

static int open_camera(void) {
    const char *log = getenv("PRETEND_LOG");
    struct stat status;
    if (is_gone()) { errno = ENOENT; return -1; }
    film = real_open(getenv("PRETEND_FRAMES"), O_RDONLY, 0); /* read as needed, to be no part of the program's memory */
    if (film < 0 || fstat(film, &status)) return -1;
    frame_size = (size_t)film_width * film_height * 2;
    frames = status.st_size / frame_size;
    notes = log ? fopen(log, "w") : NULL;
    camera = memfd_create("pretend camera", 0);
    if (ftruncate(camera, frame_size * BUFFERS)) return -1;
    shared = mmap(NULL, frame_size * BUFFERS, PROT_READ | PROT_WRITE, MAP_SHARED, camera, 0);
    first = count = 0;
    return camera;
}

/* What the system writes of the camera where it tells its name. */
static int open_name(void) {
    int file = memfd_create("name", 0);
    if (write(file, "Pretend camera\n", 15) != 15) return -1;
    lseek(file, 0, SEEK_SET);
    return file;
}

static int open_any(const char *path, int flags, int mode) {
    if (path && !strcmp(path, "/dev/video0")) return open_camera();
    if (path && !strcmp(path, "/sys/class/video4linux/video0/name")) return open_name();
    return real_open(path, flags, mode);
}

int open(const char *path, int flags, ...) {
    va_list rest;
    va_start(rest, flags);
    int mode = va_arg(rest, int);
    va_end(rest);
    return open_any(path, flags, mode);
}
int open64(const char *path, int flags, ...) __attribute__((alias("open")));
int __open_2(const char *path, int flags) { return open_any(path, flags, 0); }
int __open64_2(const char *path, int flags) { return open_any(path, flags, 0); }

int close(int file) {
    int (*close_)(int) = dlsym(RTLD_NEXT, "close");
    if (file >= 0 && file == camera) camera = -1;
    return close_(file);
}

DIR *opendir(const char *path) {
    DIR *(*opendir_)(const char *) = dlsym(RTLD_NEXT, "opendir");
    DIR *folder = opendir_(path);
    if (!strcmp(path, "/dev")) devices = folder;
    return folder;
}

struct dirent64 *readdir64(DIR *folder) {
    static struct dirent64 entry = {.d_type = DT_CHR, .d_name = "video0"};
    struct dirent64 *(*readdir64_)(DIR *) = dlsym(RTLD_NEXT, "readdir64");
    struct dirent64 *real = readdir64_(folder);
    if (real || folder != devices) return real;
    devices = NULL;
    return is_gone() ? NULL : &entry;
}

static void describe(struct v4l2_format *format) {
    memset(&format->fmt, 0, sizeof format->fmt);
    format->fmt.pix.width = width;
    format->fmt.pix.height = height;
    format->fmt.pix.pixelformat = V4L2_PIX_FMT_YUYV;
    format->fmt.pix.field = V4L2_FIELD_NONE;
    format->fmt.pix.bytesperline = width * 2;
    format->fmt.pix.sizeimage = width * height * 2;
}

static int take_frame(struct v4l2_buffer *buffer) {
    if (is_gone()) { errno = ENODEV; return -1; }
    if (!count) { errno = EAGAIN; return -1; }
    double wait = due + delay - now();
    if (wait > 0) usleep(wait * 1e6);
    double moment = wait < -1 ? now() : due;
    if (notes) fprintf(notes, "%ld %.6f\n", taken, moment), fflush(notes);
    buffer->timestamp.tv_sec = (time_t)moment;
    buffer->timestamp.tv_usec = (suseconds_t)((moment - (time_t)moment) * 1e6);
    due = moment + interval;
    int index = waiting[first];
    first = (first + 1) % BUFFERS;
    count--;
    size_t rows = width == film_width ? height : 1; /* at a time */
    for (size_t row = 0; row < (size_t)height; row += rows) {
        unsigned char *target = shared + index * frame_size + row * width * 2;
        if (pread(film, target, rows * width * 2, taken % frames * frame_size + row * film_width * 2) < 0) return -1;
    }
    taken++;
    buffer->index = index;
    buffer->bytesused = width * height * 2;
    buffer->length = frame_size;
    buffer->m.offset = index * frame_size;
    return 0;
}

static int answer(unsigned int request, void *argument) {
    struct v4l2_capability *capability = argument;
    struct v4l2_fmtdesc *kind = argument;
    struct v4l2_frmsizeenum *size = argument;
    struct v4l2_frmivalenum *rate = argument;
    struct v4l2_format *format = argument;
    struct v4l2_streamparm *parameters = argument;
    struct v4l2_requestbuffers *wanted = argument;
    struct v4l2_buffer *buffer = argument;
    switch (request) {
    case VIDIOC_QUERYCAP:
        memset(capability, 0, sizeof *capability);
        strcpy((char *)capability->card, "Pretend camera");
        capability->device_caps = V4L2_CAP_VIDEO_CAPTURE | V4L2_CAP_STREAMING;
        capability->capabilities = capability->device_caps | V4L2_CAP_DEVICE_CAPS;
        return 0;
    case VIDIOC_ENUM_FMT:
        if (kind->index) break;
        kind->pixelformat = V4L2_PIX_FMT_YUYV;
        return 0;
    case VIDIOC_ENUM_FRAMESIZES:
        if (size->index > 1 || size->pixel_format != V4L2_PIX_FMT_YUYV) break;
        size->type = V4L2_FRMSIZE_TYPE_DISCRETE;
        size->discrete.width = film_width >> size->index;
        size->discrete.height = film_height >> size->index;
        return 0;
    case VIDIOC_ENUM_FRAMEINTERVALS:
        if (rate->index) break;
        rate->type = V4L2_FRMIVAL_TYPE_DISCRETE;
        rate->discrete.numerator = 1000;
        rate->discrete.denominator = (unsigned int)(1000 / interval);
        return 0;
    case VIDIOC_G_FMT:
        describe(format);
        return 0;
    case VIDIOC_TRY_FMT:
    case VIDIOC_S_FMT: {
        unsigned int asked = format->fmt.pix.pixelformat;
        int half = format->fmt.pix.width == film_width / 2 && format->fmt.pix.height == film_height / 2;
        width = film_width >> half;
        height = film_height >> half;
        describe(format);
        if (asked && asked != V4L2_PIX_FMT_YUYV) break;
        return 0;
    }
    case VIDIOC_G_PARM:
    case VIDIOC_S_PARM:
        parameters->parm.capture.capability = V4L2_CAP_TIMEPERFRAME;
        parameters->parm.capture.timeperframe.numerator = 1000;
        parameters->parm.capture.timeperframe.denominator = (unsigned int)(1000 / interval);
        return 0;
    case VIDIOC_G_INPUT:
    case VIDIOC_S_INPUT:
        *(int *)argument = 0;
        return 0;
    case VIDIOC_REQBUFS:
        if (wanted->count > BUFFERS) wanted->count = BUFFERS;
        first = count = 0;
        return 0;
    case VIDIOC_QUERYBUF:
        if (buffer->index >= BUFFERS) break;
        buffer->length = frame_size;
        buffer->m.offset = buffer->index * frame_size;
        return 0;
    case VIDIOC_QBUF:
        if (count == BUFFERS) break;
        waiting[(first + count++) % BUFFERS] = buffer->index;
        return 0;
    case VIDIOC_STREAMON:
        due = now();
        return 0;
    case VIDIOC_STREAMOFF:
        first = count = 0;
        return 0;
    case VIDIOC_DQBUF:
        return take_frame(buffer);
    }
    errno = EINVAL;
    return -1;
}

int ioctl(int file, unsigned long request, ...) {
    va_list rest;
    va_start(rest, request);
    void *argument = va_arg(rest, void *);
    va_end(rest);
    if (file >= 0 && file == camera) return answer((unsigned int)request, argument);
    int (*ioctl_)(int, unsigned long, ...) = dlsym(RTLD_NEXT, "ioctl");
    return ioctl_(file, request, argument);
}
