"""Which of two epochs with the same validation accuracy is the better one."""

import keras


class TiesByLoss(keras.callbacks.Callback):
    """Of epochs with the same validation accuracy the one with the smaller loss is the better one.

    Accuracy on a few hundred pictures takes few values, and an easy set reaches the highest while the rate is still
    high. A millionth of the loss, at most one of 10,000 pictures' worth, decides between equals.
    """

    def on_epoch_end(self, epoch, logs=None):
        logs["val_accuracy"] -= 1e-6 * min(logs["val_loss"], 100.0)
