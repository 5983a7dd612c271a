"""Which shape each pixel of a picture belongs to, with a U-Net on generated pictures: no download.

    python launch.py --experiment=segmentation_unet

Recipe: the U-Net of Ronneberger et al. 2015, arXiv:1505.04597, with three levels of 16, 32 and 64 channels and batch
normalisation, on generated pictures of 48x48 pixels with three shapes each, discs, squares and triangles, which cover
each other (see `jaxdl.data.Shapes`; the masks are exact). Adam with a cosine, batch 32.
Expected
"""

from jaxdl import Adam, Augmentation, Cosine, Experiment, Shapes, SoftmaxCrossEntropy, Training, UNet


def segmentation_unet() -> Experiment:
    """Returns the recipe."""
    return Experiment(
        name="segmentation_unet",
        data=Shapes(masks=True, size=48, kinds=3, train_examples=4000, test_examples=500),
        model=UNet(features=(8, 16, 32, 64), normalization="batch"),
        objective=SoftmaxCrossEntropy(),
        optimizer=Adam(learning_rate=3e-3, schedule=Cosine()),
        augmentation=Augmentation(flip="both"),
        training=Training(epochs=10, batch_size=16, eval_batch_size=100),
        metrics=("accuracy", "mean_iou", "confusion"),
    )
