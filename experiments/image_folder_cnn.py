"""Pictures in folders, one for each class, with a small convolutional network.

    python launch.py --experiment=image_folder_cnn --data=folder:PATH
    python launch.py --experiment=image_folder_cnn --data=folder:PATH --flip=horizontal --shift=4 --epochs=20
    python launch.py --experiment=image_folder_cnn --data=folder:PATH --size=224 --model.features=32,64,128

Recipe: the networks of two Keras tutorials. On pictures of 64x64 pixels: conv 32, max pool, flatten, dense 128, dense
for the classes; on 224x224, by the third command: conv 32, 64, 128, each followed by max pool, dense 128, dense for the
classes. Adam with learning rate 0.001, batch 32, 10 epochs. Here each channel is standardised by train.
Expected on 12 kinds of flowers (720 pictures of 224x224 pixels to train and validate on, 240 to test; a part of the
Oxford flowers of Nilsback and Zisserman): test accuracy 0.7042 (median; 0.7042 to 0.7125), measured over the seeds 0, 1
and 2 on all 240 test pictures after 10 epochs (CPU, jax 0.10.2). With the second command, which was chosen on
validation, 0.7333 (0.7083 to 0.7542). With the third, by native convolutions (--library=onednn), 0.7292 (0.7208 to
0.7417).
Where no folder is named, and there is no folder images, generated pictures of coloured shapes stand in: their name is
shown with every figure, and no figure on them says anything about photographs.
"""

from jaxdl import CNN, Adam, Experiment, Folder, SoftmaxCrossEntropy, Training


def image_folder_cnn() -> Experiment:
    """Returns the recipe."""
    return Experiment(
        name="image_folder_cnn",
        data=Folder("images", size=64, fallback="embedded"),
        model=CNN(features=(32,), pool_after=None, dense=(128,)),
        objective=SoftmaxCrossEntropy(),
        optimizer=Adam(learning_rate=1e-3),
        training=Training(epochs=10, batch_size=32),
        metrics=("accuracy", "f1", "confusion"),
    )
