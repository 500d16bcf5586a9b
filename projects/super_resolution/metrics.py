"""PSNR and SSIM, as the field measures them."""

import numpy as np

from projects.super_resolution.resize import to_ycbcr

DIRECTIONS = {"psnr": "max", "ssim": "max"}


def scores(answer: np.ndarray, truth: np.ndarray, scale: int) -> dict[str, float]:
    """{"psnr" in dB, "ssim"} of two (h, w, 3) uint8 pictures, on Y of Y'CbCr without a border of `scale` pixels.

    They are scikit-image's functions; SSIM has the Gaussian window of Wang et al. 2004. Y is not rounded.
    """
    from skimage.metrics import peak_signal_noise_ratio, structural_similarity

    y, true_y = (to_ycbcr(picture.astype(float))[scale:-scale, scale:-scale, 0] for picture in (answer, truth))
    settings = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    with np.errstate(divide="ignore"):  # equal pictures have an infinite PSNR
        psnr = float(peak_signal_noise_ratio(true_y, y, data_range=255))
    return {"psnr": psnr, "ssim": float(structural_similarity(true_y, y, data_range=255, **settings))}
