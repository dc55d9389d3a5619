// A page that is nothing but a peer connection: publishes camera and microphone, shows its seats.
(() => {
  const pc = new RTCPeerConnection({ bundlePolicy: 'max-bundle' });
  const publish = {};
  const seats = [];
  const said = [];
  // Codecs of sound, most wanted first; null leaves the browser's own order.
  let sounds = null;
  const prefer = (transceiver) => {
    if (!sounds) return;
    const { codecs } = RTCRtpReceiver.getCapabilities('audio');
    transceiver.setCodecPreferences(sounds.flatMap((type) => codecs.filter((c) => c.mimeType === type)));
  };
  const channels = {
    reactions: pc.createDataChannel('reactions', { negotiated: true, id: 1, ordered: false, maxRetransmits: 0 }),
    captions: pc.createDataChannel('captions', { negotiated: true, id: 2 }),
  };
  for (const [label, channel] of Object.entries(channels)) channel.onmessage = (e) => said.push([label, e.data]);
  pc.ontrack = ({ track, streams }) => {
    let video = document.getElementById(streams[0].id);
    if (!video) {
      video = Object.assign(document.createElement('video'), { id: streams[0].id, autoplay: true, playsInline: true });
      document.body.append(video);
    }
    video.srcObject = streams[0];
  };

  // Chromium knows dependency descriptors and offers them for a receiver when asked to.
  const askForDescriptors = (transceiver) => {
    const extensions = transceiver.getHeaderExtensionsToNegotiate?.();
    const descriptor = extensions?.find(({ uri }) => uri.endsWith('#dependency-descriptor-rtp-header-extension'));
    if (!descriptor) return;
    descriptor.direction = 'sendrecv';
    transceiver.setHeaderExtensionsToNegotiate(extensions);
  };

  window.media = {
    pc,
    said,
    channels,
    preferSound: (types) => (sounds = types),
    // simulcast: three layers, else one; codec: only this one, as "video/H264"; scalability: layers inside each encoding,
    // as "L3T3_KEY"
    publish: async ({ simulcast, codec, scalability, bitrate, scale }) => {
      const stream = await navigator.mediaDevices.getUserMedia({ audio: true, video: { width: 960, height: 540 } });
      const [microphone] = stream.getAudioTracks();
      const [camera] = stream.getVideoTracks();
      publish.microphone = pc.addTransceiver(microphone, { direction: 'sendonly', streams: [stream] });
      prefer(publish.microphone);
      const sendEncodings = simulcast
        ? [
            { rid: 'q', scaleResolutionDownBy: 4, maxBitrate: 150_000 },
            { rid: 'h', scaleResolutionDownBy: 2, maxBitrate: 500_000 },
            { rid: 'f', maxBitrate: 1_700_000 },
          ]
        : [{ ...(bitrate ? { maxBitrate: bitrate } : {}), ...(scale ? { scaleResolutionDownBy: scale } : {}) }];
      if (scalability) for (const encoding of sendEncodings) encoding.scalabilityMode = scalability;
      publish.camera = pc.addTransceiver(camera, { direction: 'sendonly', streams: [stream], sendEncodings });
      if (codec) {
        const { codecs } = RTCRtpSender.getCapabilities('video');
        publish.camera.setCodecPreferences(codecs.filter((c) => c.mimeType === codec || c.mimeType === 'video/rtx'));
      }
    },
    offer: async (wanted) => {
      while (seats.length < wanted) {
        seats.push([
          pc.addTransceiver('audio', { direction: 'recvonly' }),
          pc.addTransceiver('video', { direction: 'recvonly' }),
        ]);
        prefer(seats.at(-1)[0]);
        askForDescriptors(seats.at(-1)[1]);
      }
      await pc.setLocalDescription();
      return {
        sdp: pc.localDescription.sdp,
        publish: Object.entries(publish).map(([source, transceiver]) => ({ mid: transceiver.mid, source })),
        receive: seats.map(([audio, video], seat) => ({ seat, audio_mid: audio.mid, video_mid: video.mid })),
      };
    },
    restartIce: () => pc.restartIce(),
    accept: (sdp) => pc.setRemoteDescription({ type: 'answer', sdp }),
    look: (seat) => window.parleyProbe.look(document.getElementById(`seat-${seat}`)),
    // Newest statistics of one kind ("inbound-rtp", "outbound-rtp", "candidate-pair" …), whole.
    stats: async (type) => [...(await pc.getStats()).values()].filter((report) => report.type === type),
  };
})();
