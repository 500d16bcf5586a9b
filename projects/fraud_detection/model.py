"""The ladder: logistic regression as one Dense unit, then hidden layers."""

import keras

from common import blocks
from projects.fraud_detection.config import Config
from projects.fraud_detection.predict import encoded_width


def build_model(config: Config, meta: dict) -> keras.Model:
    """A compiled model from encoded columns (batch, width) to the log-odds of fraud (batch, 1).

    The output is a log-odds, not a probability: with one fraud in hundreds of rows a float32 sigmoid would round the
    surest scores to exactly 1 and lose their order.
    """
    inputs = x = keras.Input((encoded_width(meta),), name="columns")
    if config.model == "mlp":
        x = blocks.dense_stack(x, [config.units] * config.layers, dropout=config.dropout, name="hidden")
    outputs = keras.layers.Dense(1, name="log_odds")(x)
    model = keras.Model(inputs, outputs, name=config.model)
    model.compile(
        optimizer=blocks.optimizer("adam", config.learning_rate),
        loss=keras.losses.BinaryCrossentropy(from_logits=True),
    )
    return model
