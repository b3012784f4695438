/* What the module needs of Python's stable interface (abi3 of Python 3.11), declared here so that no headers of Python
 * are needed. Order and types are those of PEP 384; the limits of the interface hold, so one file serves every CPython
 * from 3.11 on that has its global lock.
 */
#ifndef EDGEWRIGHT_PYTHON_ABI_H
#define EDGEWRIGHT_PYTHON_ABI_H
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(_WIN32)
#define FROM_PYTHON extern __attribute__((dllimport))
#define PyMODINIT_FUNC __attribute__((dllexport)) PyObject *
#else
#define FROM_PYTHON extern __attribute__((visibility("default")))
#define PyMODINIT_FUNC __attribute__((visibility("default"))) PyObject *
#endif

typedef intptr_t Py_ssize_t;
typedef struct _object {
    Py_ssize_t ob_refcnt;
    void *ob_type;
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

typedef PyObject *(*PyCFunction)(PyObject *, PyObject *);
typedef struct {
    const char *ml_name;
    PyCFunction ml_meth;
    int ml_flags;
    const char *ml_doc;
} PyMethodDef;

struct PyModuleDef {
    struct {
        PyObject ob_base;
        PyObject *(*m_init)(void);
        Py_ssize_t m_index;
        PyObject *m_copy;
    } m_base;
    const char *m_name, *m_doc;
    Py_ssize_t m_size;
    PyMethodDef *m_methods;
    void *m_slots, *m_traverse, *m_clear, *m_free;
};

#define PyModuleDef_HEAD_INIT {{1, NULL}, NULL, 0, NULL}
#define METH_O 0x0008
#define METH_FASTCALL 0x0080
#define PyBUF_WRITABLE 0x0001
#define PyBUF_FORMAT 0x0004
#define PyBUF_C_CONTIGUOUS (0x0020 | 0x0010 | 0x0008)

FROM_PYTHON PyObject *PyExc_TypeError;
FROM_PYTHON PyObject *PyExc_ValueError;
FROM_PYTHON void Py_DecRef(PyObject *object);
FROM_PYTHON PyObject *Py_BuildValue(const char *format, ...);
FROM_PYTHON int PyObject_GetBuffer(PyObject *object, Py_buffer *view, int flags);
FROM_PYTHON void PyBuffer_Release(Py_buffer *view);
FROM_PYTHON PyObject *PyErr_Format(PyObject *kind, const char *format, ...);
FROM_PYTHON void PyErr_SetString(PyObject *kind, const char *text);
FROM_PYTHON PyObject *PyTuple_New(Py_ssize_t count);
FROM_PYTHON int PyTuple_SetItem(PyObject *tuple, Py_ssize_t index, PyObject *value);
FROM_PYTHON PyObject *PyFloat_FromDouble(double value);
FROM_PYTHON PyObject *PyLong_FromLongLong(long long value);
FROM_PYTHON PyObject *PyBytes_FromStringAndSize(const char *text, Py_ssize_t count);
FROM_PYTHON char *PyBytes_AsString(PyObject *bytes);
FROM_PYTHON PyObject *PyModule_Create2(struct PyModuleDef *definition, int version);
FROM_PYTHON int PyModule_AddStringConstant(PyObject *module, const char *name, const char *text);

#define PyModule_Create(definition) PyModule_Create2(definition, 3)
#define PyTuple_SET_ITEM(tuple, index, value) PyTuple_SetItem(tuple, index, value)
#define PyBytes_AS_STRING(bytes) PyBytes_AsString(bytes)
#define Py_DECREF(object) Py_DecRef(object)
#define Py_XDECREF(object) Py_DecRef(object)
#define Py_CLEAR(object) (Py_DecRef(object), (object) = NULL)
#define Py_RETURN_NONE return Py_BuildValue("")

#if defined(_WIN32)
/* The start of a library that has nothing to start: without one, MinGW's would be linked, and all it needs built. */
int DllMainCRTStartup(void *library, unsigned long reason, void *reserved);
int DllMainCRTStartup(void *library, unsigned long reason, void *reserved) {
    (void)library, (void)reason, (void)reserved;
    return 1;
}
#endif
#endif
