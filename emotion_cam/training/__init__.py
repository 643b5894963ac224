"""Networks, data sets, training, evaluation and export. Needs the extra ``train``; the camera imports none of it.

``recipe`` and ``stages`` declare what is trained, and are light to import. Modules that need Keras import it from
``backend``, which prepares the environment that TensorFlow reads when it starts.
"""
