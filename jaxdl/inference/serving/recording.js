// Records a sound from the microphone, and writes it as a WAV file of the model's rate.

export class Recording {
  // rate: samples a second; seconds: after which it ends by itself.
  constructor(rate, seconds) {
    this.rate = rate;
    this.seconds = seconds;
  }

  async begin() {
    this.stream = await navigator.mediaDevices.getUserMedia({ audio: true });
    this.parts = [];
    this.recorder = new MediaRecorder(this.stream);
    this.recorder.addEventListener("dataavailable", (event) => this.parts.push(event.data));
    this.ended = new Promise((resolve) => this.recorder.addEventListener("stop", resolve));
    this.recorder.start();
    this.timer = setTimeout(() => this.end(), 1000 * this.seconds);
  }

  end() {
    clearTimeout(this.timer);
    if (this.recorder.state !== "inactive") this.recorder.stop();
    for (const track of this.stream.getTracks()) track.stop();
  }

  // Returns the WAV file, once it has ended.
  async wav() {
    await this.ended;
    const recorded = await new Blob(this.parts).arrayBuffer();
    // A context of the model's rate resamples what it decodes.
    const decoded = await new OfflineAudioContext(1, 1, this.rate).decodeAudioData(recorded);
    const channels = Array.from({ length: decoded.numberOfChannels }, (_, number) => decoded.getChannelData(number));
    const samples = channels[0].map((_, i) => channels.reduce((sum, channel) => sum + channel[i], 0) / channels.length);
    return wavOf(samples, this.rate);
  }
}

function wavOf(samples, rate) {
  const view = new DataView(new ArrayBuffer(44 + 2 * samples.length));
  const text = (place, value) => [...value].forEach((letter, i) => view.setUint8(place + i, letter.charCodeAt(0)));
  text(0, "RIFF");
  view.setUint32(4, 36 + 2 * samples.length, true);
  text(8, "WAVEfmt ");
  view.setUint32(16, 16, true); // bytes of what follows on the format
  view.setUint16(20, 1, true); // whole numbers
  view.setUint16(22, 1, true); // channels
  view.setUint32(24, rate, true);
  view.setUint32(28, 2 * rate, true); // bytes a second
  view.setUint16(32, 2, true); // bytes of a sample
  view.setUint16(34, 16, true); // bits of a sample
  text(36, "data");
  view.setUint32(40, 2 * samples.length, true);
  samples.forEach((value, i) => view.setInt16(44 + 2 * i, Math.max(-32768, Math.min(32767, Math.round(value * 32768))), true));
  return new Blob([view], { type: "audio/wav" });
}
