// Training of a network as `training/loop.py` does it: NumPy's generator, the same start, order and optimisers.
const learner=(()=>{
const M64=(1n<<64n)-1n,M128=(1n<<128n)-1n;
// NumPy's SeedSequence and PCG64 (O'Neill, 2014), and of its Generator what training draws.
const generator=(...entropy)=>{
  let a=0x43b0d7e5,b=0x8b51f9dd;
  const hash=v=>{v^=a;a=Math.imul(a,0x931e8875);v=Math.imul(v,a);return(v^v>>>16)>>>0},
  mix=(x,y)=>{const r=Math.imul(x,0xca01f9dd)-Math.imul(y,0x4973f715)|0;return(r^r>>>16)>>>0},
  words=entropy.flatMap(n=>{const r=[n>>>0];for(n=Math.floor(n/4294967296);n;n=Math.floor(n/4294967296))r.push(n>>>0);return r}),
  pool=[0,1,2,3].map(i=>hash(words[i]??0));
  for(let s=0;s<4;s++)for(let d=0;d<4;d++)if(s!=d)pool[d]=mix(pool[d],hash(pool[s]));
  for(const w of words.slice(4))for(let d=0;d<4;d++)pool[d]=mix(pool[d],hash(w));
  const state=[];
  for(let i=0;i<8;i++){let v=pool[i%4]^b;b=Math.imul(b,0x58f38ded);v=Math.imul(v,b);state.push(BigInt((v^v>>>16)>>>0))}
  const wide=i=>state[2*i]|state[2*i+1]<<32n,by=0x2360ed051fc65da44385df649fccf645n;
  const inc=((wide(2)<<64n|wide(3))<<1n|1n)&M128;
  let at=inc,half=-1;
  at=(at+(wide(0)<<64n|wide(1)))*by+inc&M128;
  const next=()=>{
    at=at*by+inc&M128;
    const x=(at>>64n^at)&M64,r=at>>122n;
    return(x>>r|x<<(64n-r&63n))&M64;
  };
  const next32=()=>{
    if(half>=0){const v=half;half=-1;return v}
    const v=next();
    half=Number(v>>32n);
    return Number(v&0xffffffffn);
  };
  const uniform=()=>Number(next()>>11n)/9007199254740992;
  const below=n=>{
    const mask=2**(32-Math.clz32(n))-1;
    for(;;){const v=(next32()&mask)>>>0;if(v<=n)return v}
  };
  const permutation=n=>{
    const v=Int32Array.from({length:n},(_,i)=>i);
    for(let i=n-1;i>0;i--){const j=below(i),t=v[j];v[j]=v[i];v[i]=t}
    return v;
  };
  const normal=()=>{
    for(;;){
      let r=next();
      const i=Number(r&255n);
      r>>=8n;
      const size=Number(r>>1n&0xfffffffffffffn);
      let x=size*ziggurat.w[i];
      if(r&1n)x=-x;
      if(size<ziggurat.k[i])return x;
      if(!i)for(;;){
        const u=-Math.log1p(-uniform())/EDGE,v=-Math.log1p(-uniform());
        if(v+v>u*u)return size/256&1?-(EDGE+u):EDGE+u;
      }
      if((ziggurat.f[i-1]-ziggurat.f[i])*uniform()+ziggurat.f[i]<Math.exp(-.5*x*x))return x;
    }
  };
  return{permutation,normal,share:()=>(next32()>>>8)/16777216,uniform};
};
// Marsaglia and Tsang's ziggurat of 256 strips (2000), by its edge and the area of a strip.
const EDGE=3.6541528853610088,AREA=.004928673233974658;
const ziggurat=(()=>{
  const x=[AREA/Math.exp(-.5*EDGE*EDGE)],p=2**52;
  x[255]=EDGE;
  for(let i=254;i>0;i--)x[i]=Math.sqrt(-2*Math.log(AREA/x[i+1]+Math.exp(-.5*x[i+1]*x[i+1])));
  return{w:x.map(v=>v/p),k:x.map((v,i)=>i==1?0:i?x[i-1]/v*p:EDGE/v*p),f:x.map((v,i)=>i?Math.exp(-.5*v*v):1)};
})();
const f32=Math.fround;
const softmax=(z,heat=1)=>{
  let top=-Infinity,sum=0;
  for(const v of z)top=Math.max(top,v/heat);
  const p=Array.from(z,v=>{const e=Math.exp(v/heat-top);sum+=e;return e});
  return p.map(v=>v/sum);
};
const bend=z=>1/(1+Math.exp(-z));
// Layers behind each other, the output layer last, for samples of `channels` x `samples` values (rows: 1 sample each).
// dense, conv1d and pointwise mix channels; depthwise, max and average stay within each. A dense layer takes all values.
const plan=(channels,samples,layers)=>{
  let c=channels,t=samples;
  return layers.map(({kind='dense',units,activation='linear',drop=0,kernel=1,stride=1,dilation=1,before=0,places=1})=>{
    if(kind=='dense'){c*=t;t=1}
    const mixes=!!units,weighs=mixes||kind=='depthwise';
    units||=c;
    // For each place the samples of the kernel that are no padding: which of the kernel, and where it lies.
    const taps=Array.from({length:places},(_,p)=>{
      const list=[];
      for(let k=0;k<kernel;k++){const at=p*stride+k*dilation-before;if(at>=0&&at<t)list.push(k,at)}
      return list;
    });
    const l={kind,mixes,c,t,units,places,kernel,taps,activation,drop,inputs:c*t,weights:weighs?kernel*(mixes?c*units:c):0,biases:weighs?units:0};
    c=units;t=places;
    return l;
  });
};
// Weights lie with the outputs last: kernel, channels, outputs. They are drawn in the order of the program's arrays.
const network=(channels,samples,layers,seed)=>{
  const draw=generator(seed),net=plan(channels,samples,layers);
  for(const l of net){
    const{kind,c,units,kernel}=l,spread=Math.sqrt((l.activation=='relu'?2:1)/(kernel*(l.mixes?c:1)));
    l.w=new Float32Array(l.weights);l.b=new Float32Array(l.biases);
    for(let i=0;i<l.weights;i++){
      const k=i%kernel,rest=Math.floor(i/kernel);
      l.w[kind=='conv1d'?(k*c+rest%c)*units+Math.floor(rest/c):kind=='depthwise'?k*c+rest:i]=draw.normal()*spread;
    }
  }
  return net;
};
const parameters=net=>net.reduce((t,l)=>t+l.weights+l.biases,0);
// Multiply-accumulates for one sample.
const products=net=>net.reduce((t,l)=>t+l.weights*l.places,0);
// Which of the taps [k, at, ...] of channel values that begin at `start` is the largest.
const largest=(from,start,taps)=>{
  let best=1;
  for(let j=3;j<taps.length;j+=2)if(from[start+taps[j]]>from[start+taps[best]])best=j;
  return taps[best];
};
// Outputs of every layer for n samples one after the other; `dropped` draws what a step of training leaves out.
const forward=(net,x,n,dropped)=>{
  const outs=[x];
  for(const l of net){
    const{kind,mixes,c,t,units,places,w,b,activation}=l,from=outs.at(-1),to=new Float32Array(n*units*places),sum=new Float64Array(units);
    for(let i=0;i<n;i++)for(let p=0;p<places;p++){
      const taps=l.taps[p],first=i*c*t;
      if(l.biases)sum.set(b);else sum.fill(0);
      if(mixes)for(let j=0;j<taps.length;j+=2)for(let h=0,q=taps[j]*c*units,s=first+taps[j+1];h<c;h++,s+=t){
        const v=from[s];
        if(v)for(let o=0;o<units;o++,q++)sum[o]+=v*w[q];else q+=units;
      }
      else for(let h=0;h<c;h++){
        const s=first+h*t;
        if(kind=='max')sum[h]=from[s+largest(from,s,taps)];
        else for(let j=0;j<taps.length;j+=2)sum[h]+=kind=='depthwise'?from[s+taps[j+1]]*w[taps[j]*c+h]:2*from[s+taps[j+1]]/taps.length;
      }
      for(let o=0,q=i*units*places+p;o<units;o++,q+=places){
        let v=sum[o];
        // Minus zero marks the edge of ReLU, as behind channels that are all zero: JAX takes half of its gradient.
        if(activation=='relu')v=v>0?v:v<0?0:-0;else if(activation=='sigmoid')v=bend(v);
        to[q]=dropped&&l.drop?(dropped()<l.drop?0:v/(1-l.drop)):v;
      }
    }
    outs.push(to);
  }
  return outs;
};
// Gradients [weights, biases] of every layer from the outputs of all and the gradient by the last.
const backward=(net,outs,delta,n)=>{
  const gradients=[];
  for(let a=net.length;a--;){
    const l=net[a],{kind,mixes,c,t,units,places,w,activation,drop}=l,from=outs[a],to=outs[a+1],before=net[a-1];
    const gw=new Float64Array(l.weights),gb=new Float64Array(l.biases),d=new Float64Array(units),back=a?new Float64Array(n*c*t):null;
    // What ReLU or dropout sets to zero takes no gradient.
    const closed=before&&(before.activation=='relu'||before.drop);
    if(activation!='linear'||drop)for(let j=0;j<delta.length;j++){
      const v=to[j];
      delta[j]*=activation=='sigmoid'?v*(1-v*(1-drop)):v?1/(1-drop):activation=='relu'&&1/v<0?.5/(1-drop):0;
    }
    if(l.weights||back)for(let i=0;i<n;i++)for(let p=0;p<places;p++){
      const taps=l.taps[p],first=i*c*t;
      let any=false;
      for(let o=0,q=i*units*places+p;o<units;o++,q+=places){d[o]=delta[q];any||=d[o]!=0}
      if(!any)continue;
      if(l.biases)for(let o=0;o<units;o++)gb[o]+=d[o];
      if(mixes)for(let j=0;j<taps.length;j+=2)for(let h=0,q=taps[j]*c*units,s=first+taps[j+1];h<c;h++,s+=t,q+=units){
        const v=from[s];
        if(v)for(let o=0;o<units;o++)gw[q+o]+=v*d[o];
        if(!a||!v&&closed&&1/v>0)continue;
        let sum=0;
        for(let o=0;o<units;o++)sum+=d[o]*w[q+o];
        back[s]+=sum;
      }
      else for(let h=0;h<c;h++){
        const s=first+h*t;
        if(kind=='max')back[s+largest(from,s,taps)]+=d[h];
        else for(let j=0;j<taps.length;j+=2){
          const at=s+taps[j+1],q=taps[j]*c+h;
          if(kind=='depthwise')gw[q]+=from[at]*d[h];
          if(a)back[at]+=kind=='depthwise'?d[h]*w[q]:2*d[h]/taps.length;
        }
      }
    }
    gradients[a]=[gw,gb];
    delta=back;
  }
  return gradients;
};
// Loss, gradient by the outputs and whether the answer is right, of one sample; `teacher` are a larger network's outputs.
const HEAT=3,SHARE=.5;
const losses={
  softmax_cross_entropy(z,y,smooth,teacher){
    const p=softmax(z),n=z.length,top=Math.max(...z);
    let sum=0,mean=0;
    for(const v of z){sum+=Math.exp(v-top);mean+=(v-top)/n}
    let loss=Math.log(sum)-(1-smooth)*(z[y]-top)-smooth*mean;
    const grad=p.map((v,i)=>v-(i==y?1-smooth:0)-smooth/n);
    if(teacher){
      const soft=softmax(z,HEAT),goal=softmax(teacher,HEAT);
      loss=(1-SHARE)*loss-SHARE*HEAT*HEAT*goal.reduce((t,g,i)=>t+g*Math.log(soft[i]+1e-30),0);
      grad.forEach((g,i)=>{grad[i]=(1-SHARE)*g+SHARE*HEAT*(soft[i]-goal[i])});
    }
    return[loss,grad,z[y]>=top];
  },
  sigmoid_cross_entropy(z,y,smooth,teacher){
    const v=z[0],goal=y*(1-smooth)+.5*smooth,cost=(v,g)=>Math.max(v,0)-v*g+Math.log1p(Math.exp(-Math.abs(v)));
    if(!teacher)return[cost(v,goal),[bend(v)-goal],v>0==y>0];
    const soft=bend(teacher[0]/HEAT);
    return[(1-SHARE)*cost(v,goal)+SHARE*HEAT*HEAT*cost(v/HEAT,soft),[(1-SHARE)*(bend(v)-goal)+SHARE*HEAT*(bend(v/HEAT)-soft)],v>0==y>0];
  },
  mean_squared_error(z,y,_,teacher){
    const e=z[0]-y;
    if(!teacher)return[e*e,[2*e],false];
    const t=z[0]-teacher[0];
    return[(1-SHARE)*e*e+SHARE*t*t,[2*((1-SHARE)*e+SHARE*t)],false];
  },
};
// Mean loss and share of right answers of n samples.
const judge=(net,set,loss,smooth=0,weights)=>{
  if(!set.n)return null;
  const z=forward(net,set.x,set.n).at(-1),k=net.at(-1).units;
  let sum=0,weight=0,right=0;
  for(let i=0;i<set.n;i++){
    const[cost,,ok]=losses[loss](z.subarray(i*k,i*k+k),set.y[i],smooth),w=weights?weights[set.y[i]]:1;
    sum+=cost*w;weight+=w;right+=ok;
  }
  return{loss:sum/weight,accuracy:right/set.n};
};
const cosine=done=>.5*(1+Math.cos(Math.PI*Math.min(Math.max(done,0),1)));
// The learning rate of a step, from 0 on: `training/program.py`, and AdamW's own half cosine.
const rateAt=(how,step,steps)=>{
  const r=how.rate,peak=how.warmUp*steps;
  if(how.schedule=='constant')return r*Math.min((step+1)/Math.max(peak,1),1);
  if(how.schedule=='one_cycle'){
    const between=(a,b,done)=>b+(a-b)*cosine(done);
    return r*(step<peak?between(1/25,1,step/Math.max(peak,1e-6)):between(1,1/250000,(step-peak)/Math.max(steps-peak,1)));
  }
  return how.optimiser=='adamw'?r*cosine(step/steps):r;
};
// `how`: loss, optimiser, rate, schedule, warmUp, decay, l2, batch, epochs, smooth, inputDrop, seed, weights, teacher.
const trainer=(net,set,validation,how)=>{
  const n=set.n,d=net[0].inputs,perEpoch=Math.ceil(n/how.batch),steps=perEpoch*how.epochs;
  const state=net.map(l=>[new Float32Array(l.w.length),new Float32Array(l.w.length),new Float32Array(l.b.length),new Float32Array(l.b.length)]);
  const self={net,epoch:0,batch:0,batches:perEpoch,history:[],step:0,ms:0};
  const spare=generator(how.seed,99);
  let order,masks,sums;
  const begin=()=>{
    order=generator(how.seed,self.epoch+1).permutation(n);
    if(how.inputDrop){
      const draw=generator(how.seed,self.epoch+1,1);
      masks=Uint8Array.from({length:n*d},()=>draw.share()>=f32(how.inputDrop));
    }
    sums=[0,0,0,0];
  };
  const update=(values,gradient,m,v,decayed)=>{
    const rate=rateAt(how,self.step,steps),t=self.step+1;
    // JAX computes the corrections in float32, where .999 is .99900001.
    const c1=f32(1-f32(f32(.9)**t)),c2=f32(1-f32(f32(.999)**t)),kept=1-.1,slow=.999;
    for(let i=0;i<values.length;i++){
      let g=gradient[i]+(decayed?how.l2*values[i]:0);
      if(how.optimiser=='sgd'){
        g+=how.decay*values[i];
        m[i]=g+.9*m[i];
        values[i]-=rate*(g+.9*m[i]);
        continue;
      }
      m[i]=kept*m[i]+.1*g;
      v[i]=slow*v[i]+.001*g*g;
      let move=m[i]/c1/(Math.sqrt(v[i]/c2)+1e-8);
      if(how.optimiser=='adamw')move+=how.decay*values[i];
      values[i]-=rate*move;
    }
  };
  self.advance=()=>{
    const began=performance.now();
    if(!self.batch)begin();
    const start=self.batch*how.batch,count=Math.min(how.batch,n-start),x=new Float32Array(count*d),k=net.at(-1).units;
    for(let i=0;i<count;i++){
      const from=order[start+i]*d;
      for(let c=0;c<d;c++)x[i*d+c]=how.inputDrop?masks[(start+i)*d+c]*set.x[from+c]/f32(1-how.inputDrop):set.x[from+c];
    }
    const outs=forward(net,x,count,net.some(l=>l.drop)?spare.uniform:null),z=outs.at(-1);
    const delta=new Float64Array(count*k);
    let weight=0,loss=0;
    for(let i=0;i<count;i++){
      const j=order[start+i],w=how.weights?how.weights[set.y[j]]:1;
      const[cost,gradient,ok]=losses[how.loss](z.subarray(i*k,i*k+k),set.y[j],how.smooth,how.teacher&&how.teacher.subarray(j*k,j*k+k));
      loss+=cost*w;weight+=w;sums[2]+=ok;sums[3]++;
      for(let o=0;o<k;o++)delta[i*k+o]=gradient[o]*w;
    }
    sums[0]+=loss;sums[1]+=weight;
    for(let i=0;i<delta.length;i++)delta[i]/=weight;
    const gradients=backward(net,outs,delta,count);
    net.forEach((l,a)=>{
      update(l.w,gradients[a][0],state[a][0],state[a][1],true);
      update(l.b,gradients[a][1],state[a][2],state[a][3],false);
    });
    self.step++;self.batch++;
    self.now={loss:sums[0]/sums[1],accuracy:sums[2]/sums[3]};
    if(self.batch==perEpoch){
      self.batch=0;self.epoch++;
      self.history.push({...self.now,validation:judge(net,validation,how.loss,how.smooth,how.weights)});
    }
    self.ms+=performance.now()-began;
  };
  return self;
};
// The network with a share of its smallest weights at zero and the rest in so many bits, and the bytes that takes.
const smaller=(net,bits,pruned)=>{
  let bytes=0;
  const layers=net.map(l=>{
    const w=l.w.slice(),n=w.length,cut=Math.round(pruned*n);
    if(cut)for(const i of Array.from(w.keys()).sort((p,q)=>Math.abs(w[p])-Math.abs(w[q])).slice(0,cut))w[i]=0;
    if(bits<32){
      const levels=2**(bits-1)-1;
      for(let o=0;o<l.units;o++){
        let top=0;
        for(let p=o;p<n;p+=l.units)top=Math.max(top,Math.abs(w[p]));
        const scale=top/levels||1;
        for(let p=o;p<n;p+=l.units)w[p]=Math.round(w[p]/scale)*scale;
      }
    }
    // A mark for each weight says which are left; int weights need a scale for each unit; biases keep 4 bytes.
    const whole=n*bits/8,some=n/8+(n-cut)*bits/8;
    if(n)bytes+=Math.ceil(Math.min(whole,some))+4*l.biases*(bits<32?2:1);
    return{...l,w};
  });
  return{net:layers,bytes};
};
return{generator,plan,network,parameters,products,forward,judge,trainer,smaller,softmax,bend};
})();
