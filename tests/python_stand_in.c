/* A program that stands for a Python: it has the functions of the stable interface that compiled models call, loads a
 * module by its path, and passes rows from stdin to one of its methods. It knows `network` (bytes to bytes) and `batch`
 * (rows of float32 to values, labels and confidences, written one after another).
 *
 *     python_stand_in MODULE network INPUTS
 *     python_stand_in MODULE batch INPUTS VALUES CLASSIFIES
 */
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#if defined(_WIN32)
#include <fcntl.h>
#include <io.h>
#include <windows.h>
#define OFFERED __attribute__((dllexport))
#else
#include <dlfcn.h>
#define OFFERED __attribute__((visibility("default"), used))
#endif

typedef intptr_t Py_ssize_t;
typedef struct object {
    Py_ssize_t ob_refcnt;
    void *ob_type;
    const char *format;
    Py_ssize_t itemsize, length;
    char *bytes;
} PyObject;
typedef struct {
    void *buf;
    PyObject *obj;
    Py_ssize_t len, itemsize;
    int readonly, ndim;
    char *format;
    Py_ssize_t *shape, *strides, *suboffsets;
    void *internal;
} Py_buffer;
typedef struct {
    const char *name;
    void *function;
    int flags;
    const char *doc;
} Method;
typedef struct {
    Py_ssize_t refcnt;
    void *type, *init;
    Py_ssize_t index;
    void *copy;
    const char *name, *doc;
    Py_ssize_t size;
    Method *methods;
} Definition;

static PyObject none, type_error, value_error;
OFFERED PyObject *PyExc_TypeError = &type_error, *PyExc_ValueError = &value_error;
static Definition *loaded;
static const char *description;

static PyObject *made(const char *format, Py_ssize_t itemsize, Py_ssize_t length) {
    PyObject *object = calloc(1, sizeof *object);
    object->ob_refcnt = 1;
    object->format = format;
    object->itemsize = itemsize;
    object->length = length;
    object->bytes = calloc(1, (size_t)length + 1);
    return object;
}

OFFERED void Py_DecRef(PyObject *object) { (void)object; }
OFFERED PyObject *Py_BuildValue(const char *format, ...) { return format[0] ? NULL : &none; }
OFFERED int PyObject_GetBuffer(PyObject *object, Py_buffer *view, int flags) {
    (void)flags;
    memset(view, 0, sizeof *view);
    view->buf = object->bytes;
    view->obj = object;
    view->len = object->length;
    view->itemsize = object->itemsize;
    view->format = (char *)object->format;
    return 0;
}
OFFERED void PyBuffer_Release(Py_buffer *view) { view->obj = NULL; }
OFFERED void PyErr_SetString(PyObject *kind, const char *text) {
    fprintf(stderr, "%s: %s\n", kind == PyExc_TypeError ? "TypeError" : "ValueError", text);
}
OFFERED PyObject *PyErr_Format(PyObject *kind, const char *format, ...) {
    PyErr_SetString(kind, format);
    return NULL;
}
OFFERED PyObject *PyTuple_New(Py_ssize_t count) { return made("O", sizeof(void *), count * (Py_ssize_t)sizeof(void *)); }
OFFERED int PyTuple_SetItem(PyObject *tuple, Py_ssize_t index, PyObject *value) {
    ((PyObject **)tuple->bytes)[index] = value;
    return 0;
}
OFFERED PyObject *PyFloat_FromDouble(double value) {
    PyObject *object = made("d", 8, 8);
    memcpy(object->bytes, &value, 8);
    return object;
}
OFFERED PyObject *PyLong_FromLongLong(long long value) {
    PyObject *object = made("q", 8, 8);
    memcpy(object->bytes, &value, 8);
    return object;
}
OFFERED PyObject *PyBytes_FromStringAndSize(const char *text, Py_ssize_t count) {
    PyObject *object = made("b", 1, count);
    if (text != NULL) {
        memcpy(object->bytes, text, (size_t)count);
    }
    return object;
}
OFFERED char *PyBytes_AsString(PyObject *bytes) { return bytes->bytes; }
OFFERED PyObject *PyModule_Create2(Definition *definition, int version) {
    loaded = version == 3 ? definition : NULL;
    return loaded == NULL ? NULL : made("module", 1, 0);
}
OFFERED int PyModule_AddStringConstant(PyObject *module, const char *name, const char *text) {
    (void)module;
    description = strcmp(name, "DESCRIPTION") == 0 ? text : description;
    return 0;
}

static void *start_of(const char *path) {
#if defined(_WIN32)
    HMODULE library = LoadLibraryA(path);
    return library == NULL ? NULL : (void *)GetProcAddress(library, "PyInit_edgewright_model");
#else
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) {
        fprintf(stderr, "%s\n", dlerror());
    }
    return library == NULL ? NULL : dlsym(library, "PyInit_edgewright_model");
#endif
}

static PyObject *given(const char *format, Py_ssize_t itemsize, size_t *rows, size_t width) {
    PyObject *object = made(format, itemsize, 1 << 24);
    *rows = fread(object->bytes, (size_t)itemsize * width, (size_t)(1 << 24) / ((size_t)itemsize * width), stdin);
    object->length = (Py_ssize_t)(*rows * width) * itemsize;
    return object;
}

static int put(const PyObject *object) {
    return fwrite(object->bytes, 1, (size_t)object->length, stdout) == (size_t)object->length;
}

OFFERED int stand_in(int count, char **words) {
#if defined(_WIN32)
    _setmode(0, _O_BINARY);
    _setmode(1, _O_BINARY);
#endif
    PyObject *(*start)(void) = count > 3 ? (PyObject * (*)(void)) start_of(words[1]) : NULL;
    if (start == NULL || start() == NULL || loaded == NULL || description == NULL) {
        fprintf(stderr, "%s is no module\n", count > 1 ? words[1] : "");
        return 2;
    }
    const Method *method = loaded->methods;
    while (method->name != NULL && strcmp(method->name, words[2]) != 0) {
        ++method;
    }
    size_t rows, width = (size_t)atoi(words[3]);
    if (method->name != NULL && strcmp(words[2], "network") == 0 && method->flags == 8) {
        PyObject *in = given("b", 1, &rows, width);
        PyObject *out = ((PyObject * (*)(PyObject *, PyObject *)) method->function)(NULL, in);
        return out == NULL || !put(out);
    }
    if (method->name != NULL && strcmp(words[2], "batch") == 0 && method->flags == 0x80 && count > 5) {
        const int classifies = atoi(words[5]);
        PyObject *all[4] = {given("f", 4, &rows, width)};
        const Py_ssize_t n = (Py_ssize_t)rows;
        all[1] = made("f", 4, 4 * n * atoi(words[4]));
        all[2] = made("q", 8, 8 * n);
        all[3] = made("f", 4, 4 * n);
        PyObject *(*batch)(PyObject *, PyObject *const *, Py_ssize_t) =
            (PyObject * (*)(PyObject *, PyObject *const *, Py_ssize_t)) method->function;
        if (batch(NULL, all, classifies ? 4 : 2) != &none) {
            return 1;
        }
        return !put(all[1]) || (classifies && (!put(all[2]) || !put(all[3])));
    }
    fprintf(stderr, "no method %s\n", words[2]);
    return 2;
}

#if !defined(_WIN32)
int main(int count, char **words) { return stand_in(count, words); }
#endif
