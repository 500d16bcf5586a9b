"""The learning rate over a training: up in a straight line, down along a cosine."""

import math

import keras

WARM_UP = 0.15  # of all steps: the rate rises
START = 0.04  # of the largest rate: where it begins


def rate(share: float, largest: float) -> float:
    """The rate when this share of all steps is over: the one-cycle policy of Smith & Topin (2018), momentum aside."""
    if share < WARM_UP:
        return largest * (START + (1 - START) * share / WARM_UP)
    return largest * 0.5 * (1 + math.cos(math.pi * min(1.0, (share - WARM_UP) / (1 - WARM_UP))))


class OneCycle(keras.callbacks.Callback):
    """Sets the optimiser's rate before each step, by epoch and step: a resumed training goes on as it would have."""

    def __init__(self, largest: float, epochs: int):
        super().__init__()
        self.largest, self.epochs, self.epoch = largest, epochs, 0

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_begin(self, batch, logs=None):
        share = (self.epoch + batch / self.params["steps"]) / self.epochs
        self.model.optimizer.learning_rate = rate(share, self.largest)


class TiesByLoss(keras.callbacks.Callback):
    """Of epochs with the same validation accuracy the one with the smaller loss is the better one.

    Accuracy on a few hundred pictures takes few values, and an easy set reaches the highest while the rate is still
    high. A millionth of the loss, at most one of 10,000 pictures' worth, decides between equals.
    """

    def on_epoch_end(self, epoch, logs=None):
        logs["val_accuracy"] -= 1e-6 * min(logs["val_loss"], 100.0)
