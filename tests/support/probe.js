// Runs in every page of an end-to-end test before the page's own scripts: looks at what a person would see and hear.
// It watches from outside and changes nothing that the page does.
(() => {
  if (window.parleyProbe) return;

  const connections = [];
  const Native = window.RTCPeerConnection;
  window.RTCPeerConnection = class RTCPeerConnection extends Native {
    constructor(...args) {
      super(...args);
      connections.push(this);
    }
  };

  // Average colour of the corners (the moving square never gets there) and a fingerprint of the whole picture.
  const look = (video) => {
    if (!video || video.videoWidth === 0 || video.readyState < 2) return null;
    const canvas = new OffscreenCanvas(32, 18);
    const context = canvas.getContext('2d', { willReadFrequently: true });
    context.drawImage(video, 0, 0, 32, 18);
    const { data } = context.getImageData(0, 0, 32, 18);
    const corner = [0, 0, 0];
    let fingerprint = 0;
    for (let i = 0; i < data.length; i += 4) {
      const y = Math.floor(i / 4 / 32);
      if (y < 3) for (let c = 0; c < 3; c++) corner[c] += data[i + c] / 96;
      for (let c = 0; c < 3; c++) fingerprint = (Math.imul(fingerprint, 31) + (data[i + c] >> 3)) | 0;
    }
    return { rgb: corner.map(Math.round), fingerprint, width: video.videoWidth, height: video.videoHeight };
  };

  const reports = async (kind) => {
    const found = [];
    for (const connection of connections) {
      if (connection.connectionState === 'closed') continue;
      for (const report of (await connection.getStats()).values()) if (report.type === kind) found.push(report);
    }
    return found;
  };

  window.parleyProbe = {
    connections,
    look,
    inbound: () => reports('inbound-rtp'),
    outbound: () => reports('outbound-rtp'),
    // Sums over all receivers of a kind, to be compared between two moments.
    received: async () => {
      const sum = { framesDecoded: 0, audioEnergy: 0, audioSamples: 0, concealed: 0, audioPackets: 0, videoPackets: 0 };
      for (const report of await reports('inbound-rtp')) {
        if (report.kind === 'video') {
          sum.framesDecoded += report.framesDecoded ?? 0;
          sum.videoPackets += report.packetsReceived ?? 0;
        } else {
          sum.audioEnergy += report.totalAudioEnergy ?? 0;
          sum.audioSamples += report.totalSamplesReceived ?? 0;
          sum.concealed += report.concealedSamples ?? 0;
          sum.audioPackets += report.packetsReceived ?? 0;
        }
      }
      return sum;
    },
    // How loud a MediaStream is now: root mean square over `seconds`, from the decoded samples.
    loudness: async (stream, seconds) => {
      const audio = new AudioContext();
      await audio.resume();
      const analyser = audio.createAnalyser();
      analyser.fftSize = 2048;
      audio.createMediaStreamSource(stream).connect(analyser);
      const samples = new Float32Array(analyser.fftSize);
      let loudest = 0;
      const end = performance.now() + seconds * 1000;
      while (performance.now() < end) {
        await new Promise((resolve) => setTimeout(resolve, 50));
        analyser.getFloatTimeDomainData(samples);
        loudest = Math.max(loudest, Math.sqrt(samples.reduce((sum, s) => sum + s * s, 0) / samples.length));
      }
      await audio.close();
      return loudest;
    },
  };
})();
