/* The Python module around the generated code: one row as fast as a call can be, or many rows into given memory.
 *
 * Included after the model, which defines INPUTS, VALUES, CLASSIFIES, FEATURES, NETWORK_INPUTS, NETWORK_OUTPUTS (0: none),
 * DESCRIPTION, `struct answer` and `evaluate`.
 */

static int take(PyObject *object, Py_buffer *view, const char *format, Py_ssize_t itemsize, int writable) {
    const int flags = PyBUF_C_CONTIGUOUS | PyBUF_FORMAT | (writable ? PyBUF_WRITABLE : 0);
    if (PyObject_GetBuffer(object, view, flags) != 0) {
        return -1;
    }
    const char *own = view->format != NULL ? view->format : "B";
    own += own[0] == '<' || own[0] == '=' || own[0] == '@';
    if (view->itemsize != itemsize || strchr(format, own[0]) == NULL || own[0] == 0 || own[1] != 0) {
        PyBuffer_Release(view);
        PyErr_Format(PyExc_ValueError, "expected numbers of type %s, got %s", format, own);
        return -1;
    }
    return 0;
}

static PyObject *floats_of(const float *values, Py_ssize_t count) {
    PyObject *made = PyTuple_New(count);
    for (Py_ssize_t i = 0; made != NULL && i < count; ++i) {
        PyObject *value = PyFloat_FromDouble((double)values[i]);
        if (value == NULL) {
            Py_CLEAR(made);
        } else {
            PyTuple_SET_ITEM(made, i, value);
        }
    }
    return made;
}

static PyObject *row(PyObject *self, PyObject *given) {
    Py_buffer view;
    (void)self;
    if (take(given, &view, "f", 4, 0) != 0) {
        return NULL;
    }
    if (view.len != (Py_ssize_t)(4 * INPUTS)) {
        PyErr_Format(PyExc_ValueError, "expected %d numbers, got %zd", INPUTS, view.len / 4);
        PyBuffer_Release(&view);
        return NULL;
    }
    struct answer made;
    evaluate((const float *)view.buf, &made);
    PyBuffer_Release(&view);
    PyObject *values = floats_of(made.values, VALUES);
    if (values == NULL || !CLASSIFIES) {
        return values;
    }
    PyObject *all = PyTuple_New(3);
    PyObject *label = PyLong_FromLongLong((long long)made.label);
    PyObject *confidence = PyFloat_FromDouble((double)made.confidence);
    if (all == NULL || label == NULL || confidence == NULL) {
        Py_XDECREF(all);
        Py_XDECREF(label);
        Py_XDECREF(confidence);
        Py_DECREF(values);
        return NULL;
    }
    PyTuple_SET_ITEM(all, 0, label);
    PyTuple_SET_ITEM(all, 1, confidence);
    PyTuple_SET_ITEM(all, 2, values);
    return all;
}

/* batch(rows, values) or batch(rows, values, labels, confidences): fills the memory given. */
static PyObject *batch(PyObject *self, PyObject *const *arguments, Py_ssize_t count) {
    static const char *const formats[4] = {"f", "f", "lq", "f"};
    static const Py_ssize_t sizes[4] = {4, 4, 8, 4}, widths[4] = {INPUTS, VALUES, 1, 1};
    Py_buffer views[4];
    int open = 0, right = 1;
    (void)self;
    if (count != (CLASSIFIES ? 4 : 2)) {
        PyErr_SetString(PyExc_TypeError, "expected rows and the memory of every output");
        return NULL;
    }
    for (; open < count; ++open) {
        if (take(arguments[open], &views[open], formats[open], sizes[open], open > 0) != 0) {
            right = 0;
            break;
        }
    }
    const Py_ssize_t rows = right ? views[0].len / (Py_ssize_t)(4 * INPUTS) : 0;
    for (int i = 0; right && i < open; ++i) {
        if (views[i].len != rows * sizes[i] * widths[i]) {
            PyErr_Format(PyExc_ValueError, "expected %zd rows of %zd numbers", rows, widths[i]);
            right = 0;
        }
    }
    for (Py_ssize_t n = 0; right && n < rows; ++n) {
        struct answer made;
        evaluate((const float *)views[0].buf + n * INPUTS, &made);
        memcpy((float *)views[1].buf + n * VALUES, made.values, sizeof(float) * VALUES);
        if (CLASSIFIES) {
            ((int64_t *)views[2].buf)[n] = made.label;
            ((float *)views[3].buf)[n] = made.confidence;
        }
    }
    while (open > 0) {
        PyBuffer_Release(&views[--open]);
    }
    if (!right) {
        return NULL;
    }
    Py_RETURN_NONE;
}

#if FEATURES
/* boundary(rows, features): what the network is given, for those who compare stage by stage. */
static PyObject *boundary_of(PyObject *self, PyObject *const *arguments, Py_ssize_t count) {
    Py_buffer rows, made;
    (void)self;
    if (count != 2) {
        PyErr_SetString(PyExc_TypeError, "expected rows and the memory of the features");
        return NULL;
    }
    if (take(arguments[0], &rows, "f", 4, 0) != 0) {
        return NULL;
    }
    if (take(arguments[1], &made, "f", 4, 1) != 0) {
        PyBuffer_Release(&rows);
        return NULL;
    }
    const Py_ssize_t whole = rows.len / (Py_ssize_t)(4 * INPUTS);
    const int right = rows.len == whole * 4 * INPUTS && made.len == whole * 4 * FEATURES;
    for (Py_ssize_t n = 0; right && n < whole; ++n) {
        evaluate((const float *)rows.buf + n * INPUTS, NULL);
        memcpy((float *)made.buf + n * FEATURES, features, sizeof features);
    }
    PyBuffer_Release(&rows);
    PyBuffer_Release(&made);
    if (!right) {
        PyErr_Format(PyExc_ValueError, "expected rows of %d numbers and as many of %d", INPUTS, FEATURES);
        return NULL;
    }
    Py_RETURN_NONE;
}
#endif

#if NETWORK_INPUTS
/* The network alone, bytes in and bytes out: what is compared with the reference bit by bit. */
static PyObject *bytes_of(PyObject *self, PyObject *given) {
    Py_buffer view;
    (void)self;
    if (take(given, &view, "b", 1, 0) != 0) {
        return NULL;
    }
    const Py_ssize_t rows = view.len / NETWORK_INPUTS;
    if (view.len != rows * NETWORK_INPUTS) {
        PyErr_Format(PyExc_ValueError, "expected rows of %d bytes", NETWORK_INPUTS);
        PyBuffer_Release(&view);
        return NULL;
    }
    PyObject *made = PyBytes_FromStringAndSize(NULL, rows * NETWORK_OUTPUTS);
    for (Py_ssize_t n = 0; made != NULL && n < rows; ++n) {
        network((const int8_t *)view.buf + n * NETWORK_INPUTS,
                (int8_t *)PyBytes_AS_STRING(made) + n * NETWORK_OUTPUTS);
    }
    PyBuffer_Release(&view);
    return made;
}
#endif

static PyMethodDef methods[] = {
    {"row", row, METH_O, "One row of float32: (label, confidence, values), or the values of a regression."},
    {"batch", (PyCFunction)(void (*)(void))batch, METH_FASTCALL, "Rows into given memory."},
#if FEATURES
    {"boundary", (PyCFunction)(void (*)(void))boundary_of, METH_FASTCALL, "Features of rows into given memory."},
#endif
#if NETWORK_INPUTS
    {"network", bytes_of, METH_O, "Bytes at the boundary to the network's bytes."},
#endif
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, "edgewright_model", NULL, -1, methods, 0, 0, 0, 0};

PyMODINIT_FUNC PyInit_edgewright_model(void) {
    PyObject *module = PyModule_Create(&definition);
    if (module != NULL && PyModule_AddStringConstant(module, "DESCRIPTION", DESCRIPTION) != 0) {
        Py_CLEAR(module);
    }
    return module;
}
